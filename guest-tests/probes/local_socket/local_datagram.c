/* local_datagram.c - datagram sockets of the local domain. */
#include "place.h"

#include <sys/uio.h>

CASE(datagrams_keep_their_bounds)
{
    int pair[2];
    char bytes[2048];
    static const size_t sizes[] = {1, 512, 0, 2000};
    pair_of(SOCK_DGRAM, pair);
    memset(bytes, 'd', sizeof bytes);
    for (size_t i = 0; i < RIG_COUNT(sizes); i++)
        CHECK_EQ_INT(send(pair[0], bytes, sizes[i], 0), sizes[i]);
    rig_nonblock(pair[1], true);
    for (size_t i = 0; i < RIG_COUNT(sizes); i++)
        CHECK_EQ_INT(recv(pair[1], bytes, sizeof bytes, 0), sizes[i]);
    CHECK_ERRNO(recv(pair[1], bytes, sizeof bytes, 0), EAGAIN);
}

CASE(short_buffer_cuts_a_datagram)
{
    int pair[2];
    char bytes[8] = {0};
    struct iovec part = {bytes, 3};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    pair_of(SOCK_DGRAM, pair);
    CHECK_EQ_INT(send(pair[0], "abcdef", 6, 0), 6);
    CHECK_EQ_INT(send(pair[0], "next", 4, 0), 4);
    CHECK_EQ_INT(recvmsg(pair[1], &message, 0), 3);
    CHECK_EQ_BYTES(bytes, "abc", 3);
    CHECK_EQ_INT(message.msg_flags & MSG_TRUNC, MSG_TRUNC);
    CHECK_EQ_INT(recv(pair[1], bytes, sizeof bytes, 0), 4); /* the rest of the first is gone */
    CHECK_EQ_BYTES(bytes, "next", 4);
}

CASE(sender_is_named)
{
    struct sockaddr_un from = {0};
    socklen_t size = sizeof from;
    char byte;
    int receiver = named_socket(SOCK_DGRAM, "receiver"), sender = named_socket(SOCK_DGRAM, "sender");
    struct sockaddr_un to = address_of("receiver");
    CHECK_EQ_INT(sendto(sender, "x", 1, 0, (struct sockaddr *)&to, sizeof to), 1);
    CHECK_EQ_INT(recvfrom(receiver, &byte, 1, 0, (struct sockaddr *)&from, &size), 1);
    CHECK_EQ_STR(from.sun_path, "sender");
    CHECK_EQ_INT(sendto(receiver, "y", 1, 0, (struct sockaddr *)&from, size), 1);
    CHECK_EQ_INT(recv(sender, &byte, 1, 0), 1);
    CHECK_EQ_INT(byte, 'y');
}

/* xnu bsd/kern/uipc_socket.c sosend: EMSGSIZE past the send buffer; net.local.dgram.maxdgram 2048. */
CASE(datagram_too_large)
{
    int pair[2], room = 0;
    socklen_t size = sizeof room;
    pair_of(SOCK_DGRAM, pair);
    REQUIRE_OK(getsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, &size));
    FACT("send_buffer", room);
    char *bytes = calloc(1, (size_t)room + 1);
    REQUIRE(bytes != NULL);
    CHECK_ERRNO(send(pair[0], bytes, (size_t)room + 1, 0), EMSGSIZE);
    rig_nonblock(pair[1], true);
    CHECK_ERRNO(recv(pair[1], bytes, 1, 0), EAGAIN);
    CHECK_EQ_INT(send(pair[0], bytes, 1, 0), 1); /* the socket goes on */
    free(bytes);
}

/* Linux has the sender wait, or say EAGAIN; xnu's uipc_send gives ENOBUFS, for a blocking socket too. */
CASE(full_receiver)
{
    int pair[2], sent = 0;
    char byte = 'x';
    pair_of(SOCK_DGRAM, pair);
#ifdef __APPLE__
    int want = ENOBUFS;
#else
    int want = EAGAIN;
    rig_nonblock(pair[0], true);
#endif
    errno = 0;
    while (sent < 10000 && send(pair[0], &byte, 1, 0) == 1)
        sent++;
    CHECK_EQ_STR(rig_errno_name(errno), rig_errno_name(want));
    FACT("datagrams_taken", sent);
    CHECK_GT_INT(sent, 0);
    rig_nonblock(pair[1], true);
    int got = 0;
    while (recv(pair[1], &byte, 1, 0) == 1)
        got++;
    CHECK_EQ_INT(got, sent);
    CHECK_EQ_INT(send(pair[0], &byte, 1, 0), 1);
}

CASE(sending_without_an_address)
{
    int fd = new_socket(SOCK_DGRAM);
#ifdef __APPLE__
    CHECK_ERRNO(send(fd, "x", 1, 0), EDESTADDRREQ);
#else
    CHECK_ERRNO(send(fd, "x", 1, 0), ENOTCONN);
#endif
    struct sockaddr_un nobody = address_of("nobody");
    CHECK_ERRNO(sendto(fd, "x", 1, 0, (struct sockaddr *)&nobody, sizeof nobody), ENOENT);
}

CASE(receiver_gone)
{
    int receiver = named_socket(SOCK_DGRAM, "receiver"), sender = new_socket(SOCK_DGRAM);
    REQUIRE_OK(connect_name(sender, "receiver"));
    CHECK_EQ_INT(send(sender, "x", 1, 0), 1);
    CHECK_OK(close(receiver));
#ifdef __APPLE__
    CHECK_ERRNO(send(sender, "x", 1, 0), ECONNRESET); /* told once, then it is not connected */
    CHECK_ERRNO(send(sender, "x", 1, 0), EDESTADDRREQ);
#else
    CHECK_ERRNO(send(sender, "x", 1, 0), ECONNREFUSED);
#endif
    CHECK_ERRNO(connect_name(sender, "receiver"), ECONNREFUSED);
}

CASE(sequenced_packets, .linux_only = true, .why = "Darwin has no SOCK_SEQPACKET in the local domain")
{
#ifndef __APPLE__
    int pair[2];
    char bytes[8];
    pair_of(SOCK_SEQPACKET, pair);
    CHECK_EQ_INT(send(pair[0], "ab", 2, 0), 2);
    CHECK_EQ_INT(send(pair[0], "c", 1, 0), 1);
    CHECK_EQ_INT(recv(pair[1], bytes, sizeof bytes, 0), 2);
    CHECK_EQ_INT(recv(pair[1], bytes, sizeof bytes, 0), 1);
    CHECK_OK(close(pair[0]));
    CHECK_EQ_INT(recv(pair[1], bytes, sizeof bytes, 0), 0);
#endif
}

CASE(sequenced_packets_are_absent, .darwin_only = true, .why = "Linux has SOCK_SEQPACKET in the local domain")
{
    CHECK_ERRNO(socket(AF_UNIX, SOCK_SEQPACKET, 0), EPROTONOSUPPORT);
}
