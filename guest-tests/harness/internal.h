/* internal.h - what the harness's own files share. Probes include rig.h only.
 *
 * Two kinds of process use this code. The parent ("runner") starts a process for each case, relays its events and
 * writes start, end, leak and goodbye itself. The case process, its children and roles write check, note, fact and
 * metric events to descriptor 1, a pipe to the parent, and control lines that the parent keeps to itself:
 *
 *     \x02 end TAB outcome TAB returned(0|1) TAB reason
 *     \x02 via TAB way
 *     \x02 own TAB kind TAB name-or-id        \x02 disown TAB kind TAB name-or-id
 *     \x02 uses TAB kind                      this process called for System V objects of that kind */
#ifndef RIG_INTERNAL_H
#define RIG_INTERNAL_H

#include "bytes.h"

#include <stdio.h>

/* Exit code of a child or role that gave up on a REQUIRE: its joiner gives up, too. */
#define RIG_GAVE_UP 97
/* A line longer than this is rubbish by the protocol. */
#define RIG_LINE_MAX (256 * 1024)

struct rig_options {
    bool list;
    const char *only;
    const char *skip;
    const char *dir;
    const char *case_name;
    const char *role;
    int role_argc;
    char **role_argv;
    double scale;
    const char *deadline; /* seconds for every case, or name=seconds,...; NULL: each case's own */
    int batches;
    long run_id; /* the parent's pid, part of unique names */
};
extern struct rig_options rig_options;

/* args.c */
void rig_parse_options(int argc, char **argv);
/* True if name is one of the comma-separated names. */
bool rig_in_list(const char *list, const char *name);
/* Seconds, before --scale: as the command line says, else the case's own. */
double rig_deadline_of(const struct rig_case *c);

/* registry.c */
extern struct rig_case *rig_cases;
struct rig_case *rig_find_case(const char *name);
struct rig_role *rig_find_role(const char *name);
const char *rig_kind_name(enum rig_kind kind);
enum rig_kind rig_kind_of(const char *name); /* RIG_KINDS if unknown */

/* stream.c: one JSON object a line, ASCII, one write(2) */
struct rig_line {
    char *text;
    size_t length, size;
    bool overflow;
};
#define RIG_LINE(variable, bytes) \
    char variable##_buffer[bytes];  \
    struct rig_line variable = {variable##_buffer, 0, sizeof variable##_buffer, false}
void rig_line_begin(struct rig_line *line, const char *type);
void rig_line_str(struct rig_line *line, const char *key, const char *value); /* value NULL: left out */
void rig_line_int(struct rig_line *line, const char *key, long long value);
void rig_line_bool(struct rig_line *line, const char *key, bool value);
void rig_line_double(struct rig_line *line, const char *key, double value, int decimals); /* not finite: left out */
void rig_line_raw(struct rig_line *line, const char *text); /* already JSON */
void rig_line_key(struct rig_line *line, const char *key);
void rig_line_quoted(struct rig_line *line, const char *value);
void rig_line_send(struct rig_line *line);
void rig_control(const char *verb, const char *format, ...) RIG_PRINTF(2, 3);
void rig_uses(enum rig_kind kind); /* tells the parent once a process */

/* json.c: true if text is one complete JSON object, ASCII only */
bool rig_is_json_object(const char *text, size_t length);

/* case.c: the life of a case process */
extern const char *rig_current_case;
_Noreturn void rig_run_case_here(void);
_Noreturn void rig_run_role_here(void);
bool rig_in_case_process(void);

/* fixture.c: what the parent gives a case */
const char *rig_self_path(const char *argv0);
void rig_close_from_3(int keep);
void rig_same_addresses(void);
void rig_default_signals(void);
extern const char *rig_self;

/* relay.c: the parent's reading of a case's pipe */
struct rig_owned {
    enum rig_kind kind;
    char name[256];
};
struct rig_relay {
    const char *case_name;
    char *buffer;
    size_t length;
    bool skipping; /* the rest of a line that was too long */
    char *last_ok; /* the last passed check, sent just before the end */
    long checks, failed;
    long rubbish;
    bool reported;
    bool returned; /* the case's function came to its end */
    char outcome[16];
    char reason[400];
    char via[16];
    struct rig_owned *owned;
    size_t owned_count;
};
void rig_relay_init(struct rig_relay *relay, const char *case_name);
void rig_relay_feed(struct rig_relay *relay, const char *data, size_t length);
void rig_relay_finish(struct rig_relay *relay); /* what is left without a newline; then last_ok */
void rig_relay_free(struct rig_relay *relay);

/* leaks.c */
void rig_leak_add(const char *kind, const char *format, ...) RIG_PRINTF(2, 3);
long rig_leaks_report(void); /* writes the leak events; returns how many */
void rig_remove_owned(struct rig_owned *owned, size_t count, const char *case_name, bool report);
void rig_remove_tree(const char *path);
void rig_sysv_used(enum rig_kind kind); /* some case called for such objects: only then are new ones looked for */
void rig_sysv_before(void);
void rig_sysv_after(void);
void rig_posix_names_after(void);

/* keeper.c: who tidies when the runner itself is killed */
void rig_keeper_start(const char *directory);
void rig_keeper_group(pid_t group); /* of the case that runs; 0 after it */
void rig_keeper_owns(enum rig_kind kind, const char *name);
void rig_keeper_disowns(enum rig_kind kind, const char *name);
void rig_keeper_end(void);

/* procs.c: the processes of a case's group */
int rig_list_group(pid_t group, char *text, size_t size);
int rig_end_group(pid_t group, double grace_ms, char *names, size_t size);

/* runner.c */
struct rig_totals {
    long cases, pass, fail, unsupported, skip, crashed, timeout;
};
void rig_run_case(const struct rig_case *c, const char *dir, struct rig_totals *totals);
void rig_runner_signals(void);
extern volatile sig_atomic_t rig_stop_signal;

/* clock.c */
const char *rig_clock_name(void);
double rig_clock_tick_ns(void);
double rig_clock_cost_ns(void);

/* hello.c */
void rig_hello(const char *const *names, size_t count);

#endif
