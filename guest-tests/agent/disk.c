#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_DIRECT */
#endif
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Raw devices of Darwin take whole blocks at whole blocks only, and so does O_DIRECT. */
enum { BLOCK = 4096, CHUNK = 65536 };

static unsigned char chunk[CHUNK] __attribute__((aligned(4096)));
static int payload = -1, scratch = -1;
static const char *payload_path = "-", *scratch_path = "-";

static const char SCRATCH_SIGN[] = "rig scratch disk\n";
static const char PAYLOAD_SIGN[] = "rig-agent";

/* What the host changes while the guest runs must not come from the guest's cache. Darwin's rdisk has none. */
static int open_raw(const char *path, int flags)
{
    int fd = -1;
#ifdef O_DIRECT
    fd = open(path, flags | O_DIRECT | O_CLOEXEC);
#endif
    return fd >= 0 ? fd : open(path, flags | O_CLOEXEC);
}

static ssize_t read_at(int fd, void *to, size_t length, uint64_t at)
{
    ssize_t got;
    do
        got = pread(fd, to, length, (off_t)at);
    while (got < 0 && errno == EINTR);
    return got;
}

/* By what stands on them: names of disks depend on the guest's mood, and the scratch disk gets written to. */
int disks_find(int count, char **paths)
{
    for (int i = 0; i < count; i++) {
        int fd = open_raw(paths[i], O_RDONLY);
        if (fd < 0)
            continue;
        ssize_t got = read_at(fd, chunk, BLOCK, 0);
        close(fd);
        if (got < BLOCK)
            continue;
        if (payload < 0 && memcmp(chunk, PAYLOAD_SIGN, sizeof PAYLOAD_SIGN) == 0 && memcmp(chunk + 257, "ustar", 5) == 0) {
            payload = open_raw(paths[i], O_RDONLY);
            payload_path = paths[i];
        } else if (scratch < 0 && memcmp(chunk, SCRATCH_SIGN, sizeof SCRATCH_SIGN - 1) == 0) {
            scratch = open_raw(paths[i], O_RDWR);
            scratch_path = paths[i];
        }
    }
    return payload >= 0 && scratch >= 0;
}

const char *disk_payload(void)
{
    return payload_path;
}

const char *disk_scratch(void)
{
    return scratch_path;
}

/* Hand an extent to `take`, piece by piece; 0 when all of it could be read and was taken. */
static int each_piece(const struct extent *what, int (*take)(const void *, size_t, void *), void *with)
{
    for (uint64_t done = 0; done < what->length;) {
        uint64_t left = what->length - done;
        size_t useful = left < CHUNK ? (size_t)left : CHUNK;
        size_t whole = (useful + BLOCK - 1) / BLOCK * BLOCK;
        ssize_t got = read_at(payload, chunk, whole, what->at + done);
        if (got < (ssize_t)useful)
            return -1;
        if (take(chunk, useful, with) != 0)
            return -1;
        done += useful;
    }
    return 0;
}

static int into_crc(const void *data, size_t length, void *crc)
{
    *(uint32_t *)crc = crc32_more(*(uint32_t *)crc, data, length);
    return 0;
}

static int into_memory(const void *data, size_t length, void *to)
{
    memcpy(*(char **)to, data, length);
    *(char **)to += length;
    return 0;
}

static int into_pipe(const void *data, size_t length, void *to)
{
    const char *at = data;
    while (length > 0) {
        ssize_t done = write(*(int *)to, at, length);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return -1;
        at += done;
        length -= (size_t)done;
    }
    return 0;
}

/* Whether the guest reads there what the host says that it has put there. */
int payload_good(const struct extent *what)
{
    uint32_t crc = 0;
    return payload >= 0 && each_piece(what, into_crc, &crc) == 0 && crc == what->crc;
}

/* An extent as a string of its own. */
void *payload_text(const struct extent *what)
{
    char *text = malloc((size_t)what->length + 1), *end = text;
    if (text == NULL || each_piece(what, into_memory, &end) != 0) {
        free(text);
        return NULL;
    }
    *end = 0;
    return text;
}

int payload_feed(const struct extent *what, int to)
{
    return each_piece(what, into_pipe, &to);
}

/* Write all that comes from `from` to the scratch disk, behind its first mebibyte; 0 or an errno. */
int scratch_fill(int from, struct extent *written)
{
    size_t filled = 0;
    uint64_t at = 1 << 20;
    int end = 0;
    written->at = at;
    written->length = 0;
    written->crc = 0;
    if (scratch < 0)
        return ENODEV;
    while (!end) {
        ssize_t got = read(from, chunk + filled, CHUNK - filled);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return errno;
        end = got == 0;
        written->crc = crc32_more(written->crc, chunk + filled, (size_t)got);
        written->length += (uint64_t)got;
        filled += (size_t)got;
        if (filled == CHUNK || (end && filled > 0)) {
            size_t whole = (filled + BLOCK - 1) / BLOCK * BLOCK;
            memset(chunk + filled, 0, whole - filled);
            ssize_t put;
            do
                put = pwrite(scratch, chunk, whole, (off_t)at);
            while (put < 0 && errno == EINTR);
            if (put != (ssize_t)whole)
                return put < 0 ? errno : ENOSPC;
            at += whole;
            filled = 0;
        }
    }
    fsync(scratch); /* a raw device may not know it, and then needs none */
    return 0;
}
