/* place.h - local sockets with names in the current directory, and pairs without. */
#ifndef LOCAL_SOCKET_PLACE_H
#define LOCAL_SOCKET_PLACE_H

#include "bytes.h"

#include <sys/socket.h>
#include <sys/un.h>

struct sockaddr_un address_of(const char *name);
/* bind() and connect() by name; as those calls. */
int bind_name(int fd, const char *name);
int connect_name(int fd, const char *name);

/* A new socket of that type, or the case ends. */
int new_socket(int type);
/* One that is bound to the name; a stream socket listens, too. */
int named_socket(int type, const char *name);
/* A connected pair without names. */
void pair_of(int type, int pair[2]);
/* A connected pair of stream sockets made by connect() and accept() over the name: pair[0] accepted. The name is
 * unlinked again. */
void named_pair(const char *name, int pair[2]);

#endif
