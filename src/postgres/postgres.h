
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * One connection to PostgreSQL in nginx's event loop.  Nothing here blocks.
 */


#ifndef _NGX_UR_POSTGRES_H_INCLUDED_
#define _NGX_UR_POSTGRES_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <libpq-fe.h>


typedef struct ngx_ur_postgres_s  ngx_ur_postgres_t;

typedef void (*ngx_ur_postgres_pt)(ngx_ur_postgres_t *pg, ngx_int_t rc);


typedef enum {
    NGX_UR_POSTGRES_CLOSED = 0,
    NGX_UR_POSTGRES_BUSY,
    NGX_UR_POSTGRES_IDLE
} ngx_ur_postgres_state_e;


struct ngx_ur_postgres_s {
    ngx_ur_postgres_state_e   state;
    u_char                  **shown;            /* zone/account.c: where others
                                                   see it */

    PGconn                   *conn;
    ngx_connection_t         *connection;
    ngx_event_t               timer;
    ngx_log_t                *log;
    ngx_str_t                *name;             /* for the log */

    /*
     * Called from events only, never from the functions below.  NGX_OK: the
     * query is done.  NGX_ERROR: the connection failed and is closed, "error"
     * says why; the outcome of the query is unknown.
     */
    ngx_ur_postgres_pt        handler;
    PQnoticeReceiver          notice;           /* called with "data" */
    void                     *data;

    ngx_msec_t                idle_timeout;
    ngx_uint_t                nreads;           /* while idle */

    /* of the last query, valid inside the handler only */
    PGresult                 *result;
    PGresult                 *failure;          /* the first bad one */
    u_char                    error[256];
    char                      sqlstate[6];      /* of the last error of
                                                   a server, or "" */
};


/*
 * Takes over a connection that stands, and is idle then.  NGX_ERROR: for want
 * of a connection of nginx; it is closed.
 */
ngx_int_t ngx_ur_postgres_open(ngx_ur_postgres_t *pg, PGconn *conn);

/*
 * Returns NGX_ERROR, with "error" set and the connection closed, or NGX_OK and
 * calls the handler later.  The strings are not kept.  With n = 0, text may be
 * several statements.
 */
ngx_int_t ngx_ur_postgres_query(ngx_ur_postgres_t *pg, const char *text,
    ngx_uint_t n, const char **values, ngx_msec_t timeout);

/* nothing is to be asked for the moment */
void ngx_ur_postgres_park(ngx_ur_postgres_t *pg);

/* the one way in which a connection ends */
void ngx_ur_postgres_close(ngx_ur_postgres_t *pg, char *reason);

/*
 * "error" becomes a line for the log, from a text of libpq or of our own; or as
 * ngx_sprintf() has it, and then the old one may be an argument.
 */
void ngx_ur_postgres_set_error(ngx_ur_postgres_t *pg, const char *text);
void ngx_ur_postgres_error(ngx_ur_postgres_t *pg, const char *fmt, ...);


#endif /* _NGX_UR_POSTGRES_H_INCLUDED_ */
