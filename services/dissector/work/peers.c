#include "services/dissector/work/peers.h"
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BUCKETS_LEAST 1024u
#define ADDRESS_TEXT_MAX 48u
#define NAME_BYTES_MAX 256u             /* RFC 1035: 255 */
#define NS_PER_S INT64_C(1000000000)
#define SEEN_BITS 65536u                /* 8 KiB, so that they stay near the processor */

/* An address under one name; the same pair is the same peer. */
struct known { struct known *next; uint64_t hash; uint8_t version, address[16]; struct peer peer; char ip[ADDRESS_TEXT_MAX]; char name[NAME_BYTES_MAX]; };
/* What a client was told. As large as its name: there may be PEERS_NAMES_MAX of them. */
struct told { struct told *next; uint64_t hash; uint8_t client[16], address[16]; int64_t from_ns, until_ns; uint32_t room; char name[]; };
/* A bit by the hash of each address that is in the table: most ends of most entries never asked, or were never an answer, and need not be looked for among what does not fit into caches. */
struct seen { uint64_t bits[SEEN_BITS / 64]; };
struct peers {
    struct known **known; uint32_t known_count, known_buckets;
    uint64_t numbers;                   /* given so far */
    struct told **told; uint32_t told_count, told_buckets;
    struct seen asked, answered;
    const struct protocol *dns;         /* whose fields are at: */
    int questions, answers, ttl;        /* -1: it has none */
    const struct known *last[2];        /* most entries repeat the ends of the one before */
};

static uint64_t hash_bytes(uint64_t seed, const void *data, size_t size)
{
    const uint8_t *p = data;
    uint64_t h = seed ^ UINT64_C(0x9e3779b97f4a7c15);
    for (; size >= 8; p += 8, size -= 8) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        h = (h ^ word) * UINT64_C(0xd6e8feb86659fd93);
        h ^= h >> 32;
    }
    for (size_t i = 0; i < size; i++)
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    return h ^ h >> 29;
}

int peers_new(struct peers **ret)
{
    struct peers *p = calloc(1, sizeof *p);
    if (p) {
        p->known = calloc(BUCKETS_LEAST, sizeof(struct known *));
        p->told = calloc(BUCKETS_LEAST, sizeof(struct told *));
        p->known_buckets = p->told_buckets = BUCKETS_LEAST;
    }
    if (!p || !p->known || !p->told) {
        peers_free(p);
        return -ENOMEM;
    }
    *ret = p;
    return 0;
}

static void forget_known(struct peers *p)
{
    for (uint32_t i = 0; p->known && i < p->known_buckets; i++)
        while (p->known[i]) {
            struct known *next = p->known[i]->next;
            free(p->known[i]);
            p->known[i] = next;
        }
    p->known_count = 0;
    p->last[0] = p->last[1] = NULL;
}

void peers_trim(struct peers *p)
{
    if (p->known_count > PEERS_KNOWN_MAX)
        forget_known(p);
}

void peers_free(struct peers *p)
{
    if (!p)
        return;
    forget_known(p);
    for (uint32_t i = 0; p->told && i < p->told_buckets; i++)
        while (p->told[i]) {
            struct told *next = p->told[i]->next;
            free(p->told[i]);
            p->told[i] = next;
        }
    free(p->known);
    free(p->told);
    free(p);
}

static void grow_known(struct peers *p)
{
    uint32_t count = p->known_buckets * 2;
    struct known **buckets = calloc(count, sizeof(struct known *));
    if (!buckets)
        return; /* slower, not wrong */
    for (uint32_t i = 0; i < p->known_buckets; i++)
        for (struct known *k = p->known[i], *next; k; k = next) {
            next = k->next;
            k->next = buckets[k->hash & (count - 1)];
            buckets[k->hash & (count - 1)] = k;
        }
    free(p->known);
    p->known = buckets;
    p->known_buckets = count;
}

static void grow_told(struct peers *p)
{
    uint32_t count = p->told_buckets * 2;
    struct told **buckets = calloc(count, sizeof(struct told *));
    if (!buckets)
        return;
    for (uint32_t i = 0; i < p->told_buckets; i++)
        for (struct told *t = p->told[i], *next; t; t = next) {
            next = t->next;
            t->next = buckets[t->hash & (count - 1)];
            buckets[t->hash & (count - 1)] = t;
        }
    free(p->told);
    p->told = buckets;
    p->told_buckets = count;
}

static uint64_t address_hash(const uint8_t *address) { return hash_bytes(0, address, 16); }

static uint64_t told_hash(uint64_t client_hash, const uint8_t *address) { return hash_bytes(client_hash, address, 16); }

static void see(struct seen *seen, uint64_t hash) { seen->bits[hash % SEEN_BITS / 64] |= UINT64_C(1) << hash % 64; }

static bool was_seen(const struct seen *seen, uint64_t hash) { return seen->bits[hash % SEEN_BITS / 64] >> hash % 64 & 1; }

/* Where it is in its bucket's list; where the list ends, if it is not there. */
static struct told **find_told(const struct peers *p, uint64_t hash, const uint8_t *client, const uint8_t *address)
{
    struct told **at = &p->told[hash & (p->told_buckets - 1)];
    while (*at && ((*at)->hash != hash || memcmp((*at)->client, client, 16) != 0 || memcmp((*at)->address, address, 16) != 0))
        at = &(*at)->next;
    return at;
}

/* The older half, by the end of validity, makes room. */
static void forget_some(struct peers *p, int64_t now_ns)
{
    for (uint32_t i = 0; i < p->told_buckets; i++)
        for (struct told **at = &p->told[i]; *at;) {
            struct told *t = *at;
            if (t->until_ns < now_ns || p->told_count > PEERS_NAMES_MAX / 2) {
                *at = t->next;
                free(t);
                p->told_count--;
            } else {
                at = &t->next;
            }
        }
}

static int tell(struct peers *p, const uint8_t *client, const uint8_t *address, const struct text *name, int64_t from_ns, int64_t until_ns)
{
    uint64_t client_hash = address_hash(client), hash = told_hash(client_hash, address);
    uint32_t size = name->size < NAME_BYTES_MAX - 1 ? (uint32_t)name->size : NAME_BYTES_MAX - 1;
    struct told **at = find_told(p, hash, client, address), *t = *at;
    bool fresh = !t;
    if (fresh && p->told_count >= PEERS_NAMES_MAX)
        forget_some(p, from_ns);
    if (fresh && p->told_count >= p->told_buckets)
        grow_told(p);
    if (fresh || t->room <= size) {
        struct told *grown = realloc(t, sizeof *t + size + 1);
        if (!grown)
            return -ENOMEM;
        t = grown;
        t->room = size + 1;
    }
    if (fresh) {
        at = &p->told[hash & (p->told_buckets - 1)]; /* making room may have moved everything */
        t->next = *at;
        t->hash = hash;
        memcpy(t->client, client, 16);
        memcpy(t->address, address, 16);
        p->told_count++;
        see(&p->asked, client_hash);
        see(&p->answered, address_hash(address));
    }
    *at = t;
    memcpy(t->name, name->data, size);
    t->name[size] = '\0';
    t->from_ns = from_ns;
    t->until_ns = until_ns;
    return 0;
}

static int number_of(const struct detail *detail, const char *name)
{
    for (uint32_t i = 0; i < detail->count; i++)
        if (strcmp(detail->fields[i].name, name) == 0)
            return (int)i;
    return -1;
}

static const struct value *value_of(const struct entry *entry, int number)
{
    return number >= 0 && entry->values.present & UINT64_C(1) << number ? &entry->values.at[number] : NULL;
}

/* Times of a capture may be any. */
static int64_t later(int64_t ns, int64_t by_ns)
{
    int64_t sum;
    return !__builtin_add_overflow(ns, by_ns, &sum) ? sum : by_ns > 0 ? INT64_MAX : INT64_MIN;
}

int peers_learn(struct peers *p, const struct entry *dns)
{
    if (p->dns != dns->protocol) {
        p->dns = dns->protocol;
        p->questions = number_of(dns->protocol->detail, "dns_questions");
        p->answers = number_of(dns->protocol->detail, "dns_answers");
        p->ttl = number_of(dns->protocol->detail, "dns_ttl");
    }
    const struct value *questions = value_of(dns, p->questions), *answers = value_of(dns, p->answers), *ttl = value_of(dns, p->ttl);
    uint32_t at = 0;
    struct text name, answer;
    if (!questions || !answers || !value_next_item(questions, &at, &name) || name.size == 0)
        return 0;
    int64_t valid_s = ttl && ttl->number > PEERS_NAME_TTL_MIN_S && ttl->number < INT32_MAX ? ttl->number : PEERS_NAME_TTL_MIN_S;
    int64_t from_ns = later(dns->record->timestamp_ns, dns->record->duration_ns);
    int r = 0;
    for (at = 0; r == 0 && value_next_item(answers, &at, &answer);) {
        char text[ADDRESS_TEXT_MAX];
        uint8_t address[16] = { 0 };
        if (answer.size >= sizeof text)
            continue;
        memcpy(text, answer.data, answer.size);
        text[answer.size] = '\0';
        if (inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1)
            r = tell(p, dns->record->tuple.source, address, &name, from_ns, later(from_ns, valid_s * NS_PER_S));
    }
    return r;
}

static const char *name_for(const struct peers *p, const uint8_t *client, const uint8_t *address, int64_t now_ns)
{
    uint64_t client_hash = address_hash(client);
    if (!was_seen(&p->asked, client_hash) || !was_seen(&p->answered, address_hash(address)))
        return "";
    const struct told *t = *find_told(p, told_hash(client_hash, address), client, address);
    return t && t->from_ns <= now_ns && now_ns <= t->until_ns ? t->name : "";
}

static bool is_peer(const struct known *k, uint8_t version, const uint8_t *address, const char *name)
{
    return k->version == version && memcmp(k->address, address, 16) == 0 && strcmp(k->name, name) == 0;
}

static int find_peer(struct peers *p, unsigned end, uint8_t version, const uint8_t *address, const char *name, const struct peer **ret)
{
    if (p->last[end] && is_peer(p->last[end], version, address, name)) {
        *ret = &p->last[end]->peer;
        return 0;
    }
    uint64_t hash = hash_bytes(hash_bytes(version, address, 16), name, strlen(name));
    struct known *k = p->known[hash & (p->known_buckets - 1)];
    while (k && (k->hash != hash || !is_peer(k, version, address, name)))
        k = k->next;
    if (!k) {
        if (p->known_count >= p->known_buckets)
            grow_known(p);
        k = calloc(1, sizeof *k);
        if (!k)
            return -ENOMEM;
        k->hash = hash;
        k->version = version;
        memcpy(k->address, address, 16);
        memcpy(k->name, name, strlen(name) + 1);
        (void)inet_ntop(version == 4 ? AF_INET : AF_INET6, address, k->ip, sizeof k->ip);
        k->peer = (struct peer){ .number = ++p->numbers, .ip = k->ip, .name = "", .namespace = "", .pod_name = "", .pod_namespace = "", .service_name = "", .service_namespace = "", .dns = k->name, .process = "" };
        if (k->name[0])
            k->peer.name = k->name;
        p->known_count++;
        k->next = p->known[hash & (p->known_buckets - 1)];
        p->known[hash & (p->known_buckets - 1)] = k;
    }
    p->last[end] = k;
    *ret = &k->peer;
    return 0;
}

int peers_find(struct peers *p, const struct record *record, const struct peer **ret_source, const struct peer **ret_destination)
{
    const struct tuple *t = &record->tuple;
    int r = find_peer(p, 0, t->version, t->source, name_for(p, t->destination, t->source, record->timestamp_ns), ret_source);
    return r < 0 ? r : find_peer(p, 1, t->version, t->destination, name_for(p, t->source, t->destination, record->timestamp_ns), ret_destination);
}
