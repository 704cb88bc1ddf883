
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server.h"


static void
serve(server_t *server, int client)
{
    char    packet[1024];
    size_t  i;

    if (read(client, packet, sizeof(packet)) <= 0 || server->answer == NULL) {
        return;
    }

    if (!server->slowly) {
        (void) !write(client, server->answer, server->len);
        return;
    }

    for (i = 0; i < server->len; i++) {
        (void) !send(client, server->answer + i, 1, MSG_NOSIGNAL);
        poll(NULL, 0, 20);
    }
}


static void *
server_run(void *data)
{
    int       i, n, client, clients[64];
    server_t *server = data;

    n = 0;

    while (n < 64 && (client = accept(server->fd, NULL, NULL)) != -1) {
        __atomic_add_fetch(&server->clients, 1, __ATOMIC_RELAXED);
        clients[n++] = client;
        serve(server, client);
    }

    for (i = 0; i < n; i++) {
        close(clients[i]);
    }

    return NULL;
}


void
server_start(server_t *server)
{
    socklen_t           len;
    struct sockaddr_in  sin;

    memset(&sin, 0, sizeof(sin));
    sin.sin_family = AF_INET;
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    len = sizeof(sin);
    server->clients = 0;
    server->fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(server->fd, (struct sockaddr *) &sin, len), 0);
    assert_int_equal(listen(server->fd, 16), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *) &sin, &len),
                     0);

    server->port = ntohs(sin.sin_port);

    assert_int_equal(pthread_create(&server->tid, NULL, server_run, server),
                     0);
}


void
server_stop(server_t *server)
{
    shutdown(server->fd, SHUT_RDWR);
    pthread_join(server->tid, NULL);
    close(server->fd);
}
