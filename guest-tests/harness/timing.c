/* timing.c - batches of a repeated operation. Raw samples leave the guest; statistics are the host's work. */
#include "internal.h"

enum {
    CLOCK_COSTS = 100, /* a batch lasts at least this many readings of the clock, */
    /* and at least this long, so that coarse clocks do not show. Not much longer: most batches are to be without a tick
     * of the kernel's, or medians on the exact clock repeat less well (measured with 0.2 and 0.5 ms). */
    LEAST_BATCH_NS = 100000,
    BUFFERS = 4,             /* a batch of a rate moves this many times what the buffers on the way hold, */
    COMMON_BUFFER = 1 << 16, /* which is this much where nobody knows better */
    CONFIRMATIONS = 3,
    DEFAULT_BATCHES = 30
};
static const unsigned long MOST_OPERATIONS = 1ul << 24;

int rig_batches(void) { return rig_options.batches > 0 ? rig_options.batches : DEFAULT_BATCHES; }

static double least_batch_ns(void)
{
    double least = CLOCK_COSTS * rig_clock_cost_ns();
    return least < LEAST_BATCH_NS ? LEAST_BATCH_NS : least;
}

static double batch_ns(rig_op op, void *context, unsigned long inner)
{
    uint64_t start = rig_now_ns();
    op(context, inner);
    return (double)(rig_now_ns() - start);
}

/* True if batches of that count last long enough, and not for once only: the first runs of any code are slow, on an
 * emulated CPU (which translates it first) by a hundred times. */
static bool long_enough(rig_op op, void *context, unsigned long inner)
{
    for (int i = 0; i < CONFIRMATIONS; i++)
        if (batch_ns(op, context, inner) < least_batch_ns())
            return false;
    return true;
}

/* Doubles the count until a batch is long enough. These runs also warm caches up; none of them is kept.
 * Each operation moves `bytes`, and a batch at least `least`. */
static unsigned long calibrate(rig_op op, void *context, uint64_t bytes, uint64_t least)
{
    unsigned long inner = 1;
    while (inner < MOST_OPERATIONS && inner * bytes < least)
        inner *= 2;
    while (inner < MOST_OPERATIONS && !long_enough(op, context, inner))
        inner *= 2;
    return inner;
}

/* Fills ns[] with one batch each. A batch too short shows that calibration met a hiccup (a busy host, a partner that
 * just starts) in all its confirmations: then all begins anew with more operations. Returns how many in a batch. */
static unsigned long measure(rig_op op, void *context, unsigned long inner, double *ns, int wanted)
{
    batch_ns(op, context, inner); /* the first batch is dropped */
    for (int i = 0; i < wanted; i++) {
        ns[i] = batch_ns(op, context, inner);
        if (ns[i] >= least_batch_ns() || inner >= MOST_OPERATIONS)
            continue;
        inner *= 2;
        batch_ns(op, context, inner);
        i = -1;
    }
    return inner;
}

/* As many samples as asked for; ns an operation, or B/s if rate, in batches of that many bytes. */
static void run(const char *name, uint64_t bytes, rig_op op, void *context, bool rate, uint64_t least)
{
    int wanted = rig_batches();
    double *samples = malloc((size_t)wanted * sizeof *samples);
    if (!samples) {
        FAIL("memory for the samples");
        return;
    }
    unsigned long inner = measure(op, context, calibrate(op, context, bytes, least), samples, wanted);
    for (int i = 0; i < wanted; i++) {
        double ns = samples[i] / (double)inner;
        samples[i] = rate ? (double)bytes * 1e9 / (ns > 0 ? ns : 1) : ns;
    }
    rig_metric(name, rate ? "B/s" : "ns", bytes, inner, samples, (size_t)wanted);
    free(samples);
}

void rig_time(const char *name, uint64_t bytes, rig_op op, void *context) { run(name, bytes, op, context, false, 0); }

void rig_time_rate_held(const char *name, uint64_t bytes, uint64_t held, rig_op op, void *context)
{
    run(name, bytes, op, context, true, held * BUFFERS);
}

void rig_time_rate(const char *name, uint64_t bytes, rig_op op, void *context)
{
    rig_time_rate_held(name, bytes, COMMON_BUFFER, op, context);
}

void rig_metric(const char *name, const char *unit, uint64_t bytes, unsigned long inner, const double *samples, size_t n)
{
    size_t size = RIG_LINE_MAX;
    struct rig_line line = {malloc(size), 0, size, false};
    if (!line.text) {
        FAIL("memory for a metric");
        return;
    }
    rig_line_begin(&line, "metric");
    rig_line_str(&line, "case", rig_current_case);
    rig_line_str(&line, "name", name);
    rig_line_str(&line, "unit", unit);
    rig_line_str(&line, "per", "op");
    if (bytes > 0)
        rig_line_int(&line, "bytes", (long long)bytes);
    rig_line_int(&line, "inner", (long long)inner);
    rig_line_key(&line, "samples");
    for (size_t i = 0; i < n && line.length < size - 64; i++) {
        char number[32];
        bool finite = samples[i] >= 0 && samples[i] < 1e18;
        snprintf(number, sizeof number, "%s%.2f", i ? "," : "[", finite ? samples[i] : 0.0);
        rig_line_raw(&line, number);
    }
    rig_line_raw(&line, n ? "]" : "[]");
    rig_line_send(&line);
    free(line.text);
}
