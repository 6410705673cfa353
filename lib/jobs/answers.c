#include "jobs/answers.h"
#include "jobs/announce.h"
#include "mem/cleanup.h"
#include "units/units.h"
#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A question as it came, copied. */
struct letter { const struct answers_subject *subject; void *data; size_t size; char *content_type, *reply; };

struct pool {
    struct answers *answers;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct letter *queue[ANSWERS_QUEUE_MAX];
    size_t first, count, threads_count;
    bool end;
    pthread_t threads[ANSWERS_QUICK_THREADS > ANSWERS_SLOW_THREADS ? ANSWERS_QUICK_THREADS : ANSWERS_SLOW_THREADS];
};
struct post { struct answers *answers; const struct answers_subject *subject; struct bus_subscription *subscription; };
struct answers { struct answers_table table; struct pool quick, slow; struct post posts[ANSWERS_SUBJECTS_MAX]; };

static Tapeloop__V1__Error **error_of(ProtobufCMessage *reply)
{
    const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field_by_name(reply->descriptor, "error");
    return (Tapeloop__V1__Error **)(void *)((char *)reply + field->offset);
}

bool answer_failed(const ProtobufCMessage *reply)
{
    return *error_of((ProtobufCMessage *)(uintptr_t)reply) != NULL;
}

void answer_fail(ProtobufCMessage *reply, const char *code, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    text_make_plain(text); /* it may have been cut within a character: such a reply could not be sent */
    Tapeloop__V1__Error **error = error_of(reply);
    if (!*error)
        *error = WIRE_NEW(Tapeloop__V1__Error, tapeloop__v1__error__descriptor);
    if (*error && wire_set_string(&(*error)->code, code) == 0)
        (void)wire_set_string(&(*error)->message, text);
}

static void letter_free(struct letter *letter)
{
    if (!letter)
        return;
    free(letter->data);
    free(letter->content_type);
    free(letter->reply);
    free(letter);
}

/* Counts one request in STATS of service discovery. */
static void count_request(const struct answers_table *table, const struct letter *letter, bool failed, int64_t took_ns)
{
    if (table->discovery)
        bus_service_count(table->discovery, letter->subject->endpoint, failed, took_ns);
}

static int try_reply(const struct answers_table *table, const struct letter *letter, const ProtobufCMessage *reply, enum wire_format format)
{
    mem_auto_free void *data = NULL;
    size_t size = 0;
    int r = wire_encode(reply, format, &data, &size);
    struct bus_message to = { .subject = letter->subject->subject, .reply = letter->reply };
    return r < 0 ? r : bus_reply(table->bus, &to, data, size, format == WIRE_PROTOBUF);
}

/* Where the reply cannot go out (larger than the bus takes, or with a damaged file's bytes where text should be), the one who asked hears that, and does not wait. */
static void send_reply(const struct answers_table *table, const struct letter *letter, const ProtobufCMessage *reply, enum wire_format format)
{
    int r = try_reply(table, letter, reply, format);
    wire_auto ProtobufCMessage *sorry = r < 0 ? wire_new(letter->subject->reply) : NULL;
    if (sorry) {
        answer_fail(sorry, "internal", "the answer cannot be sent: %s", r == -EMSGSIZE ? "it is larger than a message of the bus" : strerror(-r));
        (void)try_reply(table, letter, sorry, format);
    }
    if (r < 0 && table->unsent)
        table->unsent(letter->subject->subject, r);
}

/* Says no without looking at the question. */
static void turn_away(const struct answers_table *table, const struct letter *letter, const char *code, const char *why)
{
    wire_auto ProtobufCMessage *reply = wire_new(letter->subject->reply);
    bool protobuf = letter->content_type && strcmp(letter->content_type, "application/protobuf") == 0;
    if (!reply)
        return;
    answer_fail(reply, code, "%s", why);
    send_reply(table, letter, reply, protobuf ? WIRE_PROTOBUF : WIRE_JSON);
    count_request(table, letter, true, 0);
}

static void answer_letter(struct answers *answers, const struct letter *letter)
{
    int64_t began_ns = units_now_mono_ns();
    char error[WIRE_ERROR_TEXT_MAX] = "";
    enum wire_format format = WIRE_JSON;
    wire_auto ProtobufCMessage *request = NULL;
    wire_auto ProtobufCMessage *reply = wire_new(letter->subject->reply);
    if (!reply)
        return;
    int r = wire_decode(letter->subject->request, letter->data, letter->size, letter->content_type, &request, &format, error);
    struct question question = { .service = answers->table.service, .request = request };
    if (r < 0)
        answer_fail(reply, "invalid", "the request cannot be read: %s", error[0] ? error : strerror(-r));
    else
        letter->subject->answer(&question, reply);
    if (!question.silent)
        send_reply(&answers->table, letter, reply, format);
    count_request(&answers->table, letter, answer_failed(reply), units_now_mono_ns() - began_ns);
}

static void *pool_thread(void *context)
{
    struct pool *pool = context;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (pool->count == 0 && !pool->end)
            pthread_cond_wait(&pool->filled, &pool->lock);
        if (pool->count == 0)
            break;
        struct letter *letter = pool->queue[pool->first];
        pool->first = (pool->first + 1) % ANSWERS_QUEUE_MAX;
        pool->count--;
        bool end = pool->end;
        pthread_mutex_unlock(&pool->lock);
        if (end) {
            char why[128];
            snprintf(why, sizeof why, "this %s is stopping: ask again", pool->answers->table.group);
            turn_away(&pool->answers->table, letter, "unavailable", why);
        } else {
            answer_letter(pool->answers, letter);
        }
        letter_free(letter);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static struct letter *letter_copy(const struct answers_subject *subject, const struct bus_message *message)
{
    struct letter *letter = calloc(1, sizeof *letter);
    if (!letter)
        return NULL;
    letter->subject = subject;
    letter->size = message->size;
    letter->data = malloc(message->size + 1);
    letter->reply = strdup(message->reply ? message->reply : "");
    if (message->content_type)
        letter->content_type = strdup(message->content_type);
    if (!letter->data || !letter->reply || (message->content_type && !letter->content_type)) {
        letter_free(letter);
        return NULL;
    }
    if (message->size > 0)
        memcpy(letter->data, message->data, message->size);
    return letter;
}

/* libnats' thread. */
static void question_came(void *context, const struct bus_message *message)
{
    const struct post *post = context;
    struct pool *pool = post->subject->slow ? &post->answers->slow : &post->answers->quick;
    struct letter *letter = letter_copy(post->subject, message);
    if (!letter)
        return;
    pthread_mutex_lock(&pool->lock);
    bool room = pool->count < ANSWERS_QUEUE_MAX;
    if (room) {
        pool->queue[(pool->first + pool->count++) % ANSWERS_QUEUE_MAX] = letter;
        pthread_cond_signal(&pool->filled);
    }
    pthread_mutex_unlock(&pool->lock);
    if (!room) {
        turn_away(&post->answers->table, letter, "busy", "too many questions wait for an answer: ask again in a moment");
        letter_free(letter);
    }
}

static int pool_start(struct pool *pool, struct answers *answers, size_t threads)
{
    pool->answers = answers;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->filled, NULL);
    while (pool->threads_count < threads) {
        int r = pthread_create(&pool->threads[pool->threads_count], NULL, pool_thread, pool);
        if (r != 0)
            return -r;
        pool->threads_count++;
    }
    return 0;
}

static void pool_stop(struct pool *pool)
{
    if (!pool->answers)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->end = true;
    pthread_cond_broadcast(&pool->filled);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->threads_count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->filled);
    pthread_mutex_destroy(&pool->lock);
}

void answers_stop(struct answers *answers)
{
    if (!answers)
        return;
    for (size_t i = 0; i < answers->table.count; i++)
        if (answers->posts[i].subscription)
            bus_unsubscribe(answers->posts[i].subscription);
    pool_stop(&answers->quick);
    pool_stop(&answers->slow);
    free(answers);
}

int answers_start(const struct answers_table *table, struct answers **ret, char *error)
{
    assert(table->count <= ANSWERS_SUBJECTS_MAX);
    struct answers *answers = calloc(1, sizeof *answers);
    if (!answers) {
        snprintf(error, 256, "out of memory");
        return -ENOMEM;
    }
    answers->table = *table;
    int r = pool_start(&answers->quick, answers, ANSWERS_QUICK_THREADS);
    if (r == 0)
        r = pool_start(&answers->slow, answers, ANSWERS_SLOW_THREADS);
    for (size_t i = 0; r == 0 && i < table->count; i++) {
        struct post *post = &answers->posts[i];
        *post = (struct post){ .answers = answers, .subject = &table->subjects[i] };
        if (table->discovery)
            bus_service_endpoint(table->discovery, post->subject->endpoint, post->subject->subject);
        r = bus_subscribe(table->bus, post->subject->subject, post->subject->everybody ? NULL : table->group, question_came, post, &post->subscription);
    }
    if (r < 0) {
        snprintf(error, 256, "cannot listen for requests: %s", strerror(-r));
        answers_stop(answers);
        return r;
    }
    *ret = answers;
    return 0;
}
