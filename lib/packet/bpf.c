#include "packet/bpf.h"
#include <errno.h>
#include <pcap/pcap.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct bpf_expression { struct bpf_program program; };

static pthread_mutex_t compile_lock = PTHREAD_MUTEX_INITIALIZER;

/* The few link types whose number in files is not the one in libpcap on Linux. */
static const struct { uint32_t link_type; int dlt; } renumbered[] = {
    { 100, DLT_ATM_RFC1483 }, { 101, DLT_RAW }, { 102, DLT_SLIP_BSDOS }, { 103, DLT_PPP_BSDOS },
};

static int to_dlt(uint32_t link_type)
{
    for (size_t i = 0; i < sizeof renumbered / sizeof *renumbered; i++)
        if (renumbered[i].link_type == link_type)
            return renumbered[i].dlt;
    return (int)link_type;
}

static uint32_t from_dlt(int dlt)
{
    for (size_t i = 0; i < sizeof renumbered / sizeof *renumbered; i++)
        if (renumbered[i].dlt == dlt)
            return renumbered[i].link_type;
    return (uint32_t)dlt;
}

static int compile_locked(const char *text, uint32_t link_type, uint32_t snap_length, struct bpf_expression *expression, char *error)
{
    pcap_t *pcap = pcap_open_dead(to_dlt(link_type), (int)snap_length);
    if (!pcap)
        return -ENOMEM;
    int r = 0;
    if (pcap_compile(pcap, &expression->program, text, 1, PCAP_NETMASK_UNKNOWN) != 0) {
        snprintf(error, BPF_ERROR_TEXT_MAX, "%s", pcap_geterr(pcap));
        r = -EINVAL;
    }
    pcap_close(pcap);
    return r;
}

int bpf_expression_compile(const char *text, uint32_t link_type, uint32_t snap_length, struct bpf_expression **ret, char *error)
{
    if (strlen(text) > BPF_EXPRESSION_BYTES_MAX) {
        snprintf(error, BPF_ERROR_TEXT_MAX, "the expression has more than %d bytes", BPF_EXPRESSION_BYTES_MAX);
        return -E2BIG;
    }
    struct bpf_expression *expression = calloc(1, sizeof *expression);
    if (!expression)
        return -ENOMEM;
    pthread_mutex_lock(&compile_lock);
    int r = compile_locked(text, link_type, snap_length, expression, error);
    pthread_mutex_unlock(&compile_lock);
    if (r < 0) {
        free(expression);
        return r;
    }
    *ret = expression;
    return 0;
}

bool bpf_expression_match(const struct bpf_expression *expression, const uint8_t *data, uint32_t captured, uint32_t length)
{
    struct pcap_pkthdr head = { .caplen = captured, .len = length };
    return pcap_offline_filter(&expression->program, &head, data) != 0;
}

void bpf_expression_free(struct bpf_expression *expression)
{
    if (!expression)
        return;
    pcap_freecode(&expression->program);
    free(expression);
}

int bpf_link_type_parse(const char *name, uint32_t *ret_link_type)
{
    static const char *const prefixes[] = { "DLT_", "LINKTYPE_" };
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncasecmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            name += strlen(prefixes[i]);
    int dlt = strcasecmp(name, "ETHERNET") == 0 ? DLT_EN10MB : pcap_datalink_name_to_val(name);
    if (dlt < 0)
        return -EINVAL;
    *ret_link_type = from_dlt(dlt);
    return 0;
}

const char *bpf_link_type_format(uint32_t link_type, char *text)
{
    const char *name = pcap_datalink_val_to_name(to_dlt(link_type));
    if (name)
        snprintf(text, BPF_LINK_TYPE_TEXT_MAX, "%s", name);
    else
        snprintf(text, BPF_LINK_TYPE_TEXT_MAX, "%u", link_type);
    return text;
}
