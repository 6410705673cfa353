/* The processes of `tapeloop up`. See up_stack.h. */
#include "cli/up_stack.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "log/log.h"
#include "units/units.h"

#define FAILURES_MAX 3          /* in a row, before everything ran once */
#define STOP_LIMIT_NS (20 * UNITS_NS_PER_S) /* the services give themselves up earlier than that */
#define TURN_MS 100

static void stack_signals(sigset_t *set)
{
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGHUP);
    (void)sigaddset(set, SIGCHLD);
}

void up_stack_block_signals(void)
{
    sigset_t set;
    stack_signals(&set);
    (void)signal(SIGCHLD, SIG_DFL); /* whoever started us may have ignored it, and then no end could be waited for */
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
}

int up_stack_start(struct up_stack *stack, int which)
{
    struct up_child *child = &stack->children[which];
    int rc = up_child_start(child);
    if (rc < 0) {
        log_error("cannot start", "program=%s error=%s", child->name, log_quote(strerror(-rc)));
        return rc;
    }
    stack->wanted[which] = true;
    log_info("started", "program=%s pid=%d", child->name, (int)child->pid);
    return 0;
}

static void note_end(struct up_stack *stack, int which, int status)
{
    struct up_child *child = &stack->children[which];
    char text[96];
    pid_t pid = child->pid;
    up_child_ended(child, status);
    if (!stack->wanted[which]) { /* it was asked to; nats-server says 1 to that */
        /* A SIGTERM may have come before its handler was in place. */
        if (WIFSIGNALED(status) ? WTERMSIG(status) != SIGTERM : which != STACK_NATS && WEXITSTATUS(status) != 0) {
            log_error("did not stop well", "program=%s pid=%d how=%s", child->name, (int)pid, log_quote(up_child_end_text(child, text, sizeof text)));
            stack->stopped_badly = true;
        }
        return;
    }
    double pause = (double)(child->start_at_ns - units_now_mono_ns()) / (double)UNITS_NS_PER_S;
    log_warning("ended by itself", "program=%s pid=%d how=%s restart_in_s=%.1f", child->name, (int)pid, log_quote(up_child_end_text(child, text, sizeof text)), pause);
    bool misused = WIFEXITED(status) && (WEXITSTATUS(status) == 2 || WEXITSTATUS(status) == 127);
    if (!stack->settled && (misused || child->failures >= FAILURES_MAX) && stack->failed < 0)
        stack->failed = which;
}

static void reap(struct up_stack *stack)
{
    int status;
    pid_t pid;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (int i = 0; i < STACK_COUNT; i++) {
            if (stack->children[i].pid == pid)
                note_end(stack, i, status);
        }
    }
}

static void restart_due(struct up_stack *stack)
{
    int64_t now = units_now_mono_ns();
    for (int i = 0; i < STACK_COUNT; i++) {
        struct up_child *child = &stack->children[i];
        if (!stack->wanted[i] || child->pid || now < child->start_at_ns || stack->failed >= 0)
            continue;
        if (up_stack_start(stack, i) < 0)
            child->start_at_ns = now + UNITS_NS_PER_S; /* no process, no memory: later */
    }
}

int up_stack_turn(struct up_stack *stack, int ms)
{
    sigset_t set;
    struct timespec wait = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };
    stack_signals(&set);
    int number = sigtimedwait(&set, NULL, &wait);
    reap(stack);
    restart_due(stack);
    return number == SIGINT || number == SIGTERM || number == SIGHUP ? number : 0;
}

static void stop_one(struct up_stack *stack, int which, bool *hurry)
{
    struct up_child *child = &stack->children[which];
    stack->wanted[which] = false;
    if (!child->pid)
        return;
    log_info("stopping", "program=%s pid=%d", child->name, (int)child->pid);
    (void)kill(child->pid, SIGTERM);
    int64_t until = units_now_mono_ns() + STOP_LIMIT_NS;
    while (child->pid && !*hurry && units_now_mono_ns() < until)
        *hurry = up_stack_turn(stack, TURN_MS) != 0;
    if (!child->pid)
        return;
    log_error("killed, as it did not stop", "program=%s pid=%d", child->name, (int)child->pid);
    (void)kill(child->pid, SIGKILL);
    while (child->pid)
        (void)up_stack_turn(stack, TURN_MS);
}

bool up_stack_stop(struct up_stack *stack)
{
    bool hurry = false;
    for (int i = STACK_COUNT - 1; i >= 0; i--)
        stop_one(stack, i, &hurry);
    return !stack->stopped_badly;
}
