#include "services/dissector/protocols/dns/dns_types.h"
#include <stddef.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

static const struct dns_type low[] = {
    [1] = { "A", "a" }, [2] = { "NS", "n" }, [3] = { "MD", "n" }, [4] = { "MF", "n" }, [5] = { "CNAME", "n" }, [6] = { "SOA", "nn44444" }, [7] = { "MB", "n" }, [8] = { "MG", "n" }, [9] = { "MR", "n" },
    [10] = { "NULL", "x" }, [11] = { "WKS", "x" }, [12] = { "PTR", "n" }, [13] = { "HINFO", "qq" }, [14] = { "MINFO", "nn" }, [15] = { "MX", "2n" }, [16] = { "TXT", "S" }, [17] = { "RP", "nn" },
    [18] = { "AFSDB", "2n" }, [19] = { "X25", "S" }, [20] = { "ISDN", "S" }, [21] = { "RT", "2n" }, [22] = { "NSAP", "x" }, [23] = { "NSAP-PTR", "n" }, [24] = { "SIG", "t114TT2nb" },
    [25] = { "KEY", "211b" }, [26] = { "PX", "2nn" }, [27] = { "GPOS", "S" }, [28] = { "AAAA", "6" }, [29] = { "LOC", "x" }, [30] = { "NXT", "x" }, [31] = { "EID", "x" }, [32] = { "NIMLOC", "x" },
    [33] = { "SRV", "222n" }, [34] = { "ATMA", "x" }, [35] = { "NAPTR", "22qqqn" }, [36] = { "KX", "2n" }, [37] = { "CERT", "221b" }, [38] = { "A6", "x" }, [39] = { "DNAME", "n" }, [40] = { "SINK", "x" },
    [41] = { "OPT", "x" }, [42] = { "APL", "x" }, [43] = { "DS", "211x" }, [44] = { "SSHFP", "11x" }, [45] = { "IPSECKEY", "x" }, [46] = { "RRSIG", "t114TT2nb" }, [47] = { "NSEC", "ny" },
    [48] = { "DNSKEY", "211b" }, [49] = { "DHCID", "b" }, [50] = { "NSEC3", "112hHy" }, [51] = { "NSEC3PARAM", "112h" }, [52] = { "TLSA", "111x" }, [53] = { "SMIMEA", "111x" }, [55] = { "HIP", "x" },
    [56] = { "NINFO", "S" }, [57] = { "RKEY", "211b" }, [58] = { "TALINK", "nn" }, [59] = { "CDS", "211x" }, [60] = { "CDNSKEY", "211b" }, [61] = { "OPENPGPKEY", "b" }, [62] = { "CSYNC", "42y" },
    [63] = { "ZONEMD", "411x" }, [64] = { "SVCB", "2np" }, [65] = { "HTTPS", "2np" }, [66] = { "DSYNC", "t12n" }, [67] = { "HHIT", "b" }, [68] = { "BRID", "b" },
};
static const struct { uint16_t number; struct dns_type type; } high[] = {
    { 99, { "SPF", "S" } }, { 100, { "UINFO", "x" } }, { 101, { "UID", "x" } }, { 102, { "GID", "x" } }, { 103, { "UNSPEC", "x" } }, { 104, { "NID", "2x" } }, { 105, { "L32", "2a" } },
    { 106, { "L64", "2x" } }, { 107, { "LP", "2n" } }, { 108, { "EUI48", "e" } }, { 109, { "EUI64", "e" } }, { 128, { "NXNAME", "x" } }, { 249, { "TKEY", "x" } }, { 250, { "TSIG", "x" } },
    { 251, { "IXFR", "x" } }, { 252, { "AXFR", "x" } }, { 253, { "MAILB", "x" } }, { 254, { "MAILA", "x" } }, { 255, { "ANY", "x" } }, { 256, { "URI", "22Q" } }, { 257, { "CAA", "1sQ" } },
    { 258, { "AVC", "S" } }, { 259, { "DOA", "x" } }, { 260, { "AMTRELAY", "x" } }, { 261, { "RESINFO", "S" } }, { 262, { "WALLET", "S" } }, { 32768, { "TA", "211x" } }, { 32769, { "DLV", "211x" } },
};
static const struct dns_type unknown = { NULL, "x" };

const struct dns_type *dns_type_find(uint16_t type)
{
    if (type < COUNT(low))
        return low[type].name ? &low[type] : &unknown;
    for (size_t i = 0; i < COUNT(high); i++)
        if (high[i].number == type)
            return &high[i].type;
    return &unknown;
}

static const char *find(const char *const *names, size_t count, unsigned number) { return number < count ? names[number] : NULL; }

const char *dns_opcode_name(unsigned opcode)
{
    static const char *const names[] = { "QUERY", "IQUERY", "STATUS", [4] = "NOTIFY", "UPDATE", "DSO" };
    return find(names, COUNT(names), opcode);
}

const char *dns_rcode_name(unsigned rcode)
{
    static const char *const names[] = { "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH", "NOTZONE", "DSOTYPENI",
                                         [16] = "BADVERS", "BADKEY", "BADTIME", "BADMODE", "BADNAME", "BADALG", "BADTRUNC", "BADCOOKIE" };
    return find(names, COUNT(names), rcode);
}

const char *dns_service_key_name(unsigned key)
{
    static const char *const names[] = { "mandatory", "alpn", "no-default-alpn", "port", "ipv4hint", "ech", "ipv6hint", "dohpath", "ohttp" };
    return find(names, COUNT(names), key);
}
