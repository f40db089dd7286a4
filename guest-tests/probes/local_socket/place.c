/* place.c - see place.h */
#include "place.h"

#include <stdio.h>

struct sockaddr_un address_of(const char *name)
{
    struct sockaddr_un address;
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    snprintf(address.sun_path, sizeof address.sun_path, "%s", name);
    return address;
}

int bind_name(int fd, const char *name)
{
    struct sockaddr_un address = address_of(name);
    return bind(fd, (struct sockaddr *)&address, sizeof address);
}

int connect_name(int fd, const char *name)
{
    struct sockaddr_un address = address_of(name);
    return connect(fd, (struct sockaddr *)&address, sizeof address);
}

int new_socket(int type)
{
    int fd;
    REQUIRE_OK(fd = socket(AF_UNIX, type, 0));
    return fd;
}

int named_socket(int type, const char *name)
{
    int fd = new_socket(type);
    REQUIRE_OK(bind_name(fd, name));
    if (type == SOCK_STREAM)
        REQUIRE_OK(listen(fd, 4));
    return fd;
}

void pair_of(int type, int pair[2]) { REQUIRE_OK(socketpair(AF_UNIX, type, 0, pair)); }

void named_pair(const char *name, int pair[2])
{
    int listener = named_socket(SOCK_STREAM, name);
    pair[1] = new_socket(SOCK_STREAM);
    REQUIRE_OK(connect_name(pair[1], name));
    REQUIRE_OK(pair[0] = accept(listener, NULL, NULL));
    REQUIRE_OK(close(listener));
    REQUIRE_OK(unlink(name));
}
