/* fdpass.h - mutants of the probe fdpass. */
#include "mutant.h"

#include "bytes.h"

#include <sys/socket.h>
#include <sys/un.h>
#ifdef __APPLE__
#include <sys/ucred.h>
#endif

/* The first control message if it is one of rights that this process can read, and how many descriptors it has. */
static inline int *mutant_rights(const struct msghdr *message, size_t *count)
{
    struct cmsghdr *header = message->msg_control;
    *count = 0;
    if (!header || message->msg_controllen < sizeof *header || !mutant_may_read(header) || header->cmsg_type != SCM_RIGHTS ||
        header->cmsg_len < CMSG_LEN(0))
        return NULL;
    size_t length = header->cmsg_len < message->msg_controllen ? header->cmsg_len : message->msg_controllen;
    *count = length > CMSG_LEN(0) ? (length - CMSG_LEN(0)) / sizeof(int) : 0;
    return (int *)(void *)CMSG_DATA(header);
}

static inline ssize_t mutant_sendmsg(int fd, const struct msghdr *given, int flags)
{
    struct msghdr message = *given;
    size_t count;
    int *rights = mutant_rights(&message, &count), fresh = -1;
    if (MUTANT(sendmsg_drops_the_rights, "a message arrives without its descriptors") && rights && count > 0)
        message.msg_control = NULL, message.msg_controllen = 0;
    if (MUTANT(sendmsg_sends_the_first_only, "every descriptor of a message is its first") && rights)
        for (size_t i = 1; i < count; i++)
            rights[i] = rights[0];
    if (MUTANT(sendmsg_reopens, "what arrives is another open file of the same name") && rights && count == 1) {
        char name[64];
        snprintf(name, sizeof name, "/dev/fd/%d", rights[0]);
        fresh = open(name, fcntl(rights[0], F_GETFL) & O_ACCMODE);
        if (fresh >= 0)
            rights[0] = fresh;
    }
    ssize_t sent = sendmsg(fd, &message, flags);
    if (fresh >= 0)
        close(fresh);
    if (MUTANT(sendmsg_keeps_the_right, "a descriptor that was sent stays open for ever") && sent >= 0 && rights && count > 0)
        fcntl(rights[count - 1], F_DUPFD, 700);
    if (MUTANT(sendmsg_ebadf_is_einval, "sending what is no descriptor fails with EINVAL") && sent == -1 && errno == EBADF)
        return mutant_fails(EINVAL);
    if (MUTANT(sendmsg_accepts_anything, "a wrong control message is left out, and its data sent") && sent == -1 && errno == EINVAL) {
        message.msg_control = NULL, message.msg_controllen = 0;
        return sendmsg(fd, &message, flags);
    }
    if (MUTANT(sendmsg_sends_twice, "a message with rights is sent twice") && sent >= 0 && rights && count > 0)
        sendmsg(fd, &message, flags);
    return sent;
}
#define sendmsg(...) mutant_sendmsg(__VA_ARGS__)

static inline ssize_t mutant_recvmsg(int fd, struct msghdr *message, int flags)
{
    if (MUTANT(recvmsg_uses_up_a_peek, "MSG_PEEK takes the message"))
        flags &= ~MSG_PEEK;
    ssize_t got = recvmsg(fd, message, flags);
    size_t count = 0;
    int *rights = got >= 0 ? mutant_rights(message, &count) : NULL;
    if (MUTANT(recvmsg_leaks_one, "a received descriptor is open twice") && rights && count > 0)
        dup(rights[0]);
    if (MUTANT(recvmsg_sets_close_on_exec, "a received descriptor has FD_CLOEXEC") && rights && count > 0)
        fcntl(rights[0], F_SETFD, FD_CLOEXEC);
    if (MUTANT(recvmsg_hides_truncation, "MSG_CTRUNC is never told") && got >= 0)
        message->msg_flags &= ~MSG_CTRUNC;
    if (MUTANT(recvmsg_takes_a_high_number, "a received descriptor does not get the lowest free number") && rights && count > 0) {
        int high = fcntl(rights[0], F_DUPFD, 40);
        if (high >= 0) {
            close(rights[0]);
            rights[0] = high;
        }
    }
    if (MUTANT(recvmsg_swaps_rights, "the last descriptors of a message come in the wrong order") && rights && count > 1) {
        int last = rights[count - 1];
        rights[count - 1] = rights[count - 2], rights[count - 2] = last;
    }
    if (MUTANT(recvmsg_loses_the_last, "the last of several descriptors does not arrive") && rights && count > 1) {
        close(rights[count - 1]);
        ((struct cmsghdr *)message->msg_control)->cmsg_len -= (unsigned)sizeof(int);
    }
    return got;
}
#define recvmsg(...) mutant_recvmsg(__VA_ARGS__)

static inline int mutant_shutdown(int fd, int how)
{
    if (DARWIN_MUTANT(shutdown_keeps_the_rights, "shutdown of the receiving side keeps what is in flight"))
        return 0;
    if (LINUX_MUTANT(shutdown_drops_the_rights, "shutdown of the receiving side drops what is in flight") && how == SHUT_RD)
        rig_drain(fd);
    return shutdown(fd, how);
}
#define shutdown(...) mutant_shutdown(__VA_ARGS__)

static inline int mutant_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
    int result = getsockopt(fd, level, name, value, size);
#ifdef __APPLE__
    if (DARWIN_MUTANT(peer_pid_is_ours, "LOCAL_PEERPID tells this very process") && result == 0 && name == LOCAL_PEERPID)
        *(pid_t *)value = getpid();
#else
    if (LINUX_MUTANT(peer_pid_is_wrong, "SO_PEERCRED tells this very process") && result == 0 && name == SO_PEERCRED)
        ((struct ucred *)value)->pid = getpid();
#endif
    return result;
}
#define getsockopt(...) mutant_getsockopt(__VA_ARGS__)
