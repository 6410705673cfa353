#include "services/capturer/capture/links.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define MESSAGE_BYTES_MAX (128u * 1024)          /* a link with 256 virtual functions has 50 KiB */
#define SOCKET_BYTES (4 * 1024 * 1024)           /* a node that starts 250 pods at once */
#define DUMP_TRIES 5                             /* a dump that links changed under is read again */
#define DUMP_TIMEOUT_S 5

struct links {
    struct mnl_socket *socket;
    unsigned sequence;
    struct choose_link *links;
    bool *stale;                                 /* not yet seen in the running dump */
    size_t count, most, left_out;
    int changes;
    bool interrupted;
    _Alignas(8) char message[MESSAGE_BYTES_MAX];
};

int links_open(size_t most, struct links **ret)
{
    struct links *links = calloc(1, sizeof *links);
    if (!links)
        return -ENOMEM;
    links->most = most;
    links->links = calloc(most, sizeof *links->links);
    links->stale = calloc(most, sizeof *links->stale);
    if (!links->links || !links->stale) {
        links_close(links);
        return -ENOMEM;
    }
    links->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
    if (!links->socket || mnl_socket_bind(links->socket, RTMGRP_LINK, MNL_SOCKET_AUTOPID) < 0) {
        int error = -errno;
        links_close(links);
        return error;
    }
    int bytes = SOCKET_BYTES, fd = mnl_socket_get_fd(links->socket);
    const struct timeval timeout = { .tv_sec = DUMP_TIMEOUT_S };
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes); /* an overrun costs a dump, no more */
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    int done = links_refresh(links);
    if (done < 0) {
        links_close(links);
        return done;
    }
    *ret = links;
    return 0;
}

void links_close(struct links *links)
{
    if (!links)
        return;
    if (links->socket)
        (void)mnl_socket_close(links->socket);
    free(links->links);
    free(links->stale);
    free(links);
}

int links_fd(const struct links *links) { return mnl_socket_get_fd(links->socket); }
const struct choose_link *links_all(const struct links *links, size_t *ret_count)
{
    *ret_count = links->count;
    return links->links;
}
size_t links_left_out(const struct links *links) { return links->left_out; }

static void copy_text(char *to, const struct nlattr *attribute)
{
    if (mnl_attr_validate(attribute, MNL_TYPE_STRING) >= 0)
        (void)snprintf(to, CHOOSE_NAME_BYTES, "%.*s", (int)mnl_attr_get_payload_len(attribute), mnl_attr_get_str(attribute));
}

static uint32_t number_of(const struct nlattr *attribute) { return mnl_attr_validate(attribute, MNL_TYPE_U32) >= 0 ? mnl_attr_get_u32(attribute) : 0; }

static int take_info(const struct nlattr *attribute, void *context)
{
    struct choose_link *link = context;
    if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND)
        copy_text(link->kind, attribute);
    return MNL_CB_OK;
}

static int take_attribute(const struct nlattr *attribute, void *context)
{
    struct choose_link *link = context;
    switch (mnl_attr_get_type(attribute)) {
    case IFLA_IFNAME: copy_text(link->name, attribute); break;
    case IFLA_MASTER: link->master = number_of(attribute); break;
    case IFLA_LINK: link->lower = number_of(attribute); break;
    case IFLA_LINK_NETNSID: link->lower_elsewhere = true; break;
    case IFLA_NUM_VF: link->virtual_functions = number_of(attribute); break;
    case IFLA_LINKINFO: (void)mnl_attr_parse_nested(attribute, take_info, link); break;
    default: break;
    }
    return MNL_CB_OK;
}

static void read_link(const struct nlmsghdr *message, struct choose_link *link)
{
    const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
    *link = (struct choose_link){ .ifindex = (uint32_t)info->ifi_index, .type = info->ifi_type, .up = (info->ifi_flags & IFF_UP) != 0 };
    (void)mnl_attr_parse(message, sizeof *info, take_attribute, link);
    if (link->lower == link->ifindex)
        link->lower = 0;
}

static size_t place_of(const struct links *links, uint32_t ifindex)
{
    size_t i = 0;
    while (i < links->count && links->links[i].ifindex != ifindex)
        i++;
    return i;
}

static void forget(struct links *links, size_t place)
{
    links->count--;
    links->links[place] = links->links[links->count];
    links->stale[place] = links->stale[links->count];
    links->changes++;
}

static void take_link(struct links *links, const struct nlmsghdr *message)
{
    const struct ifinfomsg *info = mnl_nlmsg_get_payload(message);
    if ((message->nlmsg_type != RTM_NEWLINK && message->nlmsg_type != RTM_DELLINK) || mnl_nlmsg_get_payload_len(message) < sizeof *info || info->ifi_family == AF_BRIDGE)
        return;                                  /* AF_BRIDGE speaks of a bridge's port, not of the link */
    struct choose_link link;
    read_link(message, &link);
    size_t place = place_of(links, link.ifindex);
    if (message->nlmsg_type == RTM_DELLINK) {
        if (place < links->count)
            forget(links, place);
        return;
    }
    if (place == links->most) {
        links->left_out++;
        return;
    }
    if (place < links->count && link.virtual_functions == 0)
        link.virtual_functions = links->links[place].virtual_functions; /* only a dump tells */
    if (place == links->count) {
        links->count++;
        links->changes++;
    } else if (memcmp(&links->links[place], &link, sizeof link) != 0) {
        links->changes++;
    }
    links->links[place] = link;
    links->stale[place] = false;
}

/* All messages of one datagram. 1: the dump's end was among them; -errno: the kernel refused the dump. By hand, because mnl_cb_run gives up at the first message of a dump that links changed under. */
static int take_datagram(struct links *links, size_t size)
{
    int left = (int)size;
    for (const struct nlmsghdr *message = (const void *)links->message; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
        if (message->nlmsg_flags & NLM_F_DUMP_INTR)
            links->interrupted = true;
        if (message->nlmsg_type == NLMSG_DONE)
            return 1;
        if (message->nlmsg_type == NLMSG_ERROR && mnl_nlmsg_get_payload_len(message) >= sizeof(struct nlmsgerr)) {
            int error = ((const struct nlmsgerr *)mnl_nlmsg_get_payload(message))->error;
            if (error < 0)
                return error;
        }
        take_link(links, message);
    }
    return 0;
}

static int dump(struct links *links)
{
    _Alignas(8) char request[256];
    struct nlmsghdr *message = mnl_nlmsg_put_header(request);
    message->nlmsg_type = RTM_GETLINK;
    message->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    message->nlmsg_seq = ++links->sequence;
    struct ifinfomsg *info = mnl_nlmsg_put_extra_header(message, sizeof *info);
    info->ifi_family = AF_UNSPEC;
    mnl_attr_put_u32(message, IFLA_EXT_MASK, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS);
    if (mnl_socket_sendto(links->socket, message, message->nlmsg_len) < 0)
        return -errno;
    memset(links->stale, 1, links->count * sizeof *links->stale);
    links->interrupted = false;
    links->left_out = 0;
    for (;;) {
        ssize_t size = mnl_socket_recvfrom(links->socket, links->message, sizeof links->message);
        if (size < 0 && errno == ENOBUFS)
            links->interrupted = true;           /* events were lost: what the dump said of them may be older */
        else if (size < 0)
            return -errno;
        int done = size > 0 ? take_datagram(links, (size_t)size) : 0; /* events come in between: they are the same messages */
        if (done < 0)
            return done;
        if (done > 0)
            break;
    }
    for (size_t i = links->count; i > 0; i--)
        if (links->stale[i - 1])
            forget(links, i - 1);
    return 0;
}

int links_refresh(struct links *links)
{
    for (int i = 0; i < DUMP_TRIES; i++) {
        int done = dump(links);
        if (done < 0)
            return done;
        if (!links->interrupted)
            return 0;
    }
    return -EAGAIN;
}

int links_read(struct links *links)
{
    links->changes = 0;
    for (;;) {
        ssize_t size = recv(mnl_socket_get_fd(links->socket), links->message, sizeof links->message, MSG_DONTWAIT);
        if (size < 0 && errno == ENOBUFS) {
            int done = links_refresh(links);
            if (done < 0)
                return done;
            continue;
        }
        if (size < 0)
            return errno == EAGAIN || errno == EINTR ? links->changes : -errno;
        (void)take_datagram(links, (size_t)size);
    }
}
