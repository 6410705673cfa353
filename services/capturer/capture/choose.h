/* Which interfaces are recorded, from what the kernel says of all of them. Pure: no calls outside, no state.
 *
 * "auto" takes what carries the node's and the pods' traffic, each packet as seldom as can be: NICs (a bond, not its members; the parent, not its VLAN child), lo, the host's ends of veth pairs, taps; not bridges
 * whose members are recorded, not tunnels, whose packets travel inside those of the interface below. A name or glob(7) takes what it says. */
#ifndef CAPTURER_CAPTURE_CHOOSE_H
#define CAPTURER_CAPTURE_CHOOSE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHOOSE_WHY_BYTES 96
#define CHOOSE_NAME_BYTES 32
#define CHOOSE_TEXT_BYTES 160

struct choose_link {
    uint32_t ifindex, type;                      /* type: ARPHRD_ */
    uint32_t master;                             /* ifindex of the bridge, bond ... it belongs to; 0 none */
    uint32_t lower;                              /* ifindex of the VLAN's parent, the veth's peer ...; 0 none */
    bool lower_elsewhere;                        /* ... in another network namespace */
    bool up;
    uint32_t virtual_functions;                  /* SR-IOV */
    char name[CHOOSE_NAME_BYTES], kind[CHOOSE_NAME_BYTES]; /* kind: of rtnetlink, "" for hardware */
};
struct choose_decision { bool recorded, raw_ip; uint32_t link_type; char why[CHOOSE_WHY_BYTES]; };

/* decisions: one for each link. */
void choose_interfaces(const struct choose_link *links, size_t count, const char *const *patterns, size_t patterns_count, struct choose_decision *decisions);
/* What passes this node unseen; returns how many texts. */
size_t choose_not_visible(const struct choose_link *links, size_t count, char (*texts)[CHOOSE_TEXT_BYTES], size_t most);
#endif
