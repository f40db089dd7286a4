#include "agent.h"

#include <errno.h>
#include <string.h>
#include <sys/select.h>
#include <unistd.h>

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* The CRC of ISO 3309, as zlib has it. */
uint32_t crc32_more(uint32_t crc, const void *data, size_t length)
{
    static uint32_t table[256];
    const unsigned char *at = data;
    if (!table[1])
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t value = i;
            for (int bit = 0; bit < 8; bit++)
                value = value & 1 ? 0xedb88320u ^ (value >> 1) : value >> 1;
            table[i] = value;
        }
    crc = ~crc;
    while (length--)
        crc = table[(crc ^ *at++) & 0xff] ^ (crc >> 8);
    return ~crc;
}

static void put32(unsigned char *to, uint32_t value)
{
    to[0] = (unsigned char)(value >> 24);
    to[1] = (unsigned char)(value >> 16);
    to[2] = (unsigned char)(value >> 8);
    to[3] = (unsigned char)value;
}

static uint32_t get32(const unsigned char *from)
{
    return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 8 | from[3];
}

static void write_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t done = write(fd, data, length);
        if (done > 0) {
            data += done;
            length -= (size_t)done;
        } else if (errno == EAGAIN) {
            fd_set writable;
            FD_ZERO(&writable);
            FD_SET(fd, &writable);
            select(fd + 1, NULL, &writable, NULL, NULL);
        } else if (errno != EINTR) {
            _exit(1); /* the terminal is gone */
        }
    }
}

void frame_write(int fd, char type, uint32_t job, uint32_t number, const void *payload, size_t length)
{
    unsigned char raw[FRAME_PAYLOAD + 15 + 2] = {0};
    char text[(FRAME_PAYLOAD + 15 + 2) / 3 * 4 + 4];
    size_t used = 0, total = length + 15;
    raw[0] = (unsigned char)type;
    raw[1] = (unsigned char)(length >> 8);
    raw[2] = (unsigned char)length;
    put32(raw + 3, job);
    put32(raw + 7, number);
    if (length > 0)
        memcpy(raw + 11, payload, length);
    put32(raw + 11 + length, crc32_more(0, raw, 11 + length));
    text[used++] = '{';
    for (size_t at = 0; at < total; at += 3) {
        uint32_t three = (uint32_t)raw[at] << 16 | (uint32_t)raw[at + 1] << 8 | raw[at + 2];
        text[used++] = DIGITS[three >> 18];
        text[used++] = DIGITS[three >> 12 & 63];
        text[used++] = at + 1 < total ? DIGITS[three >> 6 & 63] : '=';
        text[used++] = at + 2 < total ? DIGITS[three & 63] : '=';
    }
    memcpy(text + used, "}\r\n", 3);
    write_all(fd, text, used + 3);
}

static int decode(const struct frame_reader *reader, struct frame *found)
{
    static unsigned char raw[sizeof reader->text];
    size_t used = 0;
    if (reader->used == 0 || reader->used % 4 != 0)
        return 0;
    for (size_t at = 0; at < reader->used; at += 4) {
        uint32_t four = 0;
        int missing = 0;
        for (size_t i = 0; i < 4; i++) {
            char digit = reader->text[at + i];
            const char *place = digit == '=' ? DIGITS : strchr(DIGITS, digit);
            missing += digit == '=';
            four = four << 6 | (uint32_t)(place - DIGITS);
        }
        raw[used++] = (unsigned char)(four >> 16);
        raw[used++] = (unsigned char)(four >> 8);
        raw[used++] = (unsigned char)four;
        used -= (size_t)(missing > 2 ? 2 : missing);
    }
    if (used < 15 || get32(raw + used - 4) != crc32_more(0, raw, used - 4))
        return 0;
    found->length = (size_t)raw[1] << 8 | raw[2];
    if (found->length != used - 15 || found->length > FRAME_ROOM)
        return 0;
    found->type = (char)raw[0];
    found->job = get32(raw + 3);
    found->number = get32(raw + 7);
    memcpy(found->payload, raw + 11, found->length);
    found->payload[found->length] = 0;
    return 1;
}

/* Take one byte; 1 when it ends a frame that is whole. */
int frame_byte(struct frame_reader *reader, char byte, struct frame *found)
{
    if (byte == '{') {
        reader->used = 0;
        reader->inside = 1;
    } else if (reader->inside && byte == '}') {
        reader->inside = 0;
        return decode(reader, found);
    } else if (reader->inside && byte != 0 && (byte == '=' || strchr(DIGITS, byte)) && reader->used < sizeof reader->text) {
        reader->text[reader->used++] = byte;
    } else {
        reader->inside = 0;
    }
    return 0;
}
