/* mach_threads.c - see mach_threads.h. Numbers: xnu osfmk/mach/task.defs (from 3400) and thread_act.defs (from 3600), the
 * same in 4570 and 7195. */
#include "mach_threads.h"

#ifdef __APPLE__

#include <sys/mman.h>

/* A routine with no argument but its port. */
static kern_return_t bare_call(mach_port_t port, mach_msg_id_t id)
{
    mach_msg_header_t request = {0};
    struct {
        mig_reply_error_t reply;
        mach_msg_trailer_t trailer;
    } answer;
    return rig_mig(port, id, &request, sizeof request, &answer.reply.Head, sizeof answer);
}

/* A routine that takes a flavour and a count and returns that many words at most: thread_get_state, thread_info and
 * task_info are alike but for their ids. */
#define WORDS_MAX 1024
#pragma pack(push, 4)
struct flavor_request {
    mach_msg_header_t head;
    NDR_record_t ndr;
    int flavor;
    mach_msg_type_number_t count;
};
struct words_reply {
    mach_msg_header_t head;
    NDR_record_t ndr;
    kern_return_t code;
    mach_msg_type_number_t count;
    natural_t words[WORDS_MAX];
    mach_msg_trailer_t trailer;
};
struct words_request {
    mach_msg_header_t head;
    NDR_record_t ndr;
    int flavor;
    mach_msg_type_number_t count;
    natural_t words[WORDS_MAX];
};
struct port_reply {
    mach_msg_header_t head;
    mach_msg_body_t body;
    mach_msg_port_descriptor_t port;
    mach_msg_trailer_t trailer;
};
#pragma pack(pop)

static kern_return_t words_call(mach_port_t port, mach_msg_id_t id, int flavor, natural_t *words,
                                mach_msg_type_number_t *count)
{
    struct flavor_request request = {.ndr = NDR_record, .flavor = flavor, .count = *count};
    struct words_reply reply;
    kern_return_t result = rig_mig(port, id, &request.head, sizeof request, &reply.head, sizeof reply);
    if (result != KERN_SUCCESS)
        return result;
    if (reply.count > *count || reply.count > WORDS_MAX)
        return MIG_ARRAY_TOO_LARGE;
    memcpy(words, reply.words, reply.count * sizeof *words);
    *count = reply.count;
    return result;
}

/* The request of thread_set_state and thread_create_running. Returns its size, 0 for a state that is too large. */
static mach_msg_size_t fill_words(struct words_request *request, int flavor, const natural_t *words,
                                  mach_msg_type_number_t count)
{
    if (count > WORDS_MAX)
        return 0;
    memset(&request->head, 0, sizeof request->head);
    request->ndr = NDR_record;
    request->flavor = flavor;
    request->count = count;
    memcpy(request->words, words, count * sizeof *words);
    return (mach_msg_size_t)(offsetof(struct words_request, words) + count * sizeof *words);
}

static kern_return_t port_call(mach_port_t port, mach_msg_id_t id, mach_msg_header_t *request, mach_msg_size_t size,
                               mach_port_t *answer)
{
    struct {
        struct port_reply reply;
        char room[64]; /* for the reply of an error, which has no descriptor */
    } got;
    kern_return_t result = rig_mig(port, id, request, size, &got.reply.head, sizeof got);
    if (result == KERN_SUCCESS)
        *answer = got.reply.port.name;
    return result;
}

kern_return_t rig_thread_get_state(thread_act_t thread, thread_state_flavor_t flavor, thread_state_t state,
                                   mach_msg_type_number_t *count)
{
    RIG_FIRST(thread_get_state, (thread, flavor, state, count));
    return words_call(thread, 3603, flavor, state, count);
}

kern_return_t rig_thread_set_state(thread_act_t thread, thread_state_flavor_t flavor, thread_state_t state,
                                   mach_msg_type_number_t count)
{
    RIG_FIRST(thread_set_state, (thread, flavor, state, count));
    struct words_request request;
    mach_msg_size_t size = fill_words(&request, flavor, state, count);
    struct {
        mig_reply_error_t reply;
        mach_msg_trailer_t trailer;
    } answer;
    return size ? rig_mig(thread, 3604, &request.head, size, &answer.reply.Head, sizeof answer) : MIG_ARRAY_TOO_LARGE;
}

kern_return_t rig_thread_abort(thread_act_t thread)
{
    RIG_FIRST(thread_abort, (thread));
    return bare_call(thread, 3607);
}

kern_return_t rig_thread_abort_safely(thread_act_t thread)
{
    RIG_FIRST(thread_abort_safely, (thread));
    return bare_call(thread, 3608);
}

kern_return_t rig_thread_terminate(thread_act_t thread)
{
    RIG_FIRST(thread_terminate, (thread));
    return bare_call(thread, 3600);
}

kern_return_t rig_thread_create(task_t task, thread_act_t *thread)
{
    RIG_FIRST(thread_create, (task, thread));
    mach_msg_header_t request = {0};
    return port_call(task, 3411, &request, sizeof request, thread);
}

kern_return_t rig_thread_create_running(task_t task, thread_state_flavor_t flavor, thread_state_t state,
                                        mach_msg_type_number_t count, thread_act_t *thread)
{
    RIG_FIRST(thread_create_running, (task, flavor, state, count, thread));
    struct words_request request;
    mach_msg_size_t size = fill_words(&request, flavor, state, count);
    return size ? port_call(task, 3412, &request.head, size, thread) : MIG_ARRAY_TOO_LARGE;
}

kern_return_t rig_thread_info(thread_act_t thread, thread_flavor_t flavor, thread_info_t info,
                              mach_msg_type_number_t *count)
{
    RIG_FIRST(thread_info, (thread, flavor, info, count));
    return words_call(thread, 3612, (int)flavor, (natural_t *)info, count);
}

kern_return_t rig_task_info(task_t task, task_flavor_t flavor, task_info_t info, mach_msg_type_number_t *count)
{
    RIG_FIRST(task_info, (task, flavor, info, count));
    return words_call(task, 3405, (int)flavor, (natural_t *)info, count);
}

kern_return_t rig_task_terminate(task_t task)
{
    RIG_FIRST(task_terminate, (task));
    return bare_call(task, 3401);
}

kern_return_t rig_get_registers(thread_act_t thread, x86_thread_state64_t *registers)
{
    mach_msg_type_number_t count = x86_THREAD_STATE64_COUNT;
    return rig_thread_get_state(thread, x86_THREAD_STATE64, (thread_state_t)registers, &count);
}

kern_return_t rig_set_registers(thread_act_t thread, const x86_thread_state64_t *registers)
{
    x86_thread_state64_t copy = *registers;
    return rig_thread_set_state(thread, x86_THREAD_STATE64, (thread_state_t)&copy, x86_THREAD_STATE64_COUNT);
}

task_t rig_task_of(pid_t pid)
{
    task_t task = MACH_PORT_NULL;
    REQUIRE_KERN(task_for_pid(rig_task(), pid, &task));
    return task;
}

int rig_count_threads(task_t task, thread_act_t *first)
{
    thread_act_array_t threads = NULL;
    mach_msg_type_number_t count = 0;
    if (task_threads(task, &threads, &count) != KERN_SUCCESS)
        return -1;
    if (first)
        *first = count ? threads[0] : MACH_PORT_NULL;
    for (mach_msg_type_number_t i = first ? 1 : 0; i < count; i++)
        mach_port_deallocate(rig_task(), threads[i]);
    vm_deallocate(rig_task(), (vm_address_t)threads, count * sizeof *threads);
    return (int)count;
}

int rig_thread_suspend_count(thread_act_t thread)
{
    thread_basic_info_data_t info;
    mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;
    if (rig_thread_info(thread, THREAD_BASIC_INFO, (thread_info_t)&info, &count) != KERN_SUCCESS)
        return -1;
    return info.suspend_count;
}

int rig_task_suspend_count(task_t task)
{
    mach_task_basic_info_data_t info;
    mach_msg_type_number_t count = MACH_TASK_BASIC_INFO_COUNT;
    if (rig_task_info(task, MACH_TASK_BASIC_INFO, (task_info_t)&info, &count) != KERN_SUCCESS)
        return -1;
    return info.suspend_count;
}

struct started {
    pthread_t thread;
    void *(*body)(void *);
    void *argument;
    bool done;
};
static struct started started[RIG_THREADS];
static unsigned started_count;

static void *run_started(void *argument)
{
    struct started *one = argument;
    void *result = one->body(one->argument);
    __atomic_store_n(&one->done, true, __ATOMIC_SEQ_CST);
    return result;
}

int rig_thread_start(pthread_t *thread, void *(*body)(void *), void *argument)
{
    enum { STACK = 256 * 1024 };
    unsigned number = __atomic_fetch_add(&started_count, 1, __ATOMIC_SEQ_CST);
    if (number >= RIG_THREADS)
        return EAGAIN;
    struct started *one = &started[number];
    one->body = body;
    one->argument = argument;
    void *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE, MAP_ANON | MAP_PRIVATE, -1, 0);
    if (stack == MAP_FAILED)
        return errno;
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error == 0)
        error = pthread_attr_setstack(&attributes, stack, STACK);
    if (error == 0)
        error = pthread_create(&one->thread, &attributes, run_started, one);
    pthread_attr_destroy(&attributes);
    *thread = one->thread;
    return error;
}

int rig_thread_join(pthread_t thread)
{
    for (unsigned i = 0; i < started_count && i < RIG_THREADS; i++) {
        if (!pthread_equal(started[i].thread, thread))
            continue;
        uint64_t end = rig_now_ns() + (uint64_t)(rig_patience(6) * 1e9);
        while (!__atomic_load_n(&started[i].done, __ATOMIC_SEQ_CST)) {
            if (rig_now_ns() > end)
                return ETIMEDOUT;
            rig_sleep_ms(1);
        }
        started[i].thread = NULL; /* its number may be another's next */
        return 0;
    }
    return ESRCH;
}

#endif
