
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Tells the one warning that puts a commit into doubt (I2) from all others,
 * such as that VACUUM is due, or what a trigger says.  It is told by where in
 * the server it comes from: what deferred triggers and auto_explain say comes
 * with the commit, too, when the rows are already here.  The worst is assumed
 * of what something in between may have made or changed.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/line.h"
#include "pool.h"
#include "postgres/notice.h"
#include "postgres/session.h"
#include "zone/health.h"


/*
 * Where PostgreSQL stops waiting for a standby: no other function of it warns
 * of a commit that it has made.
 */
#define NGX_UR_STANDBY  "SyncRepWaitForLSN"


typedef struct {
    u_char       text[256];
    const char  *severity;
    const char  *sqlstate;
    const char  *function;              /* in the server's source */
    const char  *line;
} ngx_ur_notice_t;


static void ngx_ur_notice_read(ngx_ur_notice_t *notice,
    const PGresult *result);
static const char *ngx_ur_notice_field(const PGresult *result, int field);
static ngx_uint_t ngx_ur_notice_doubtful(ngx_ur_notice_t *notice);
static ngx_int_t ngx_ur_notice_first(ngx_ur_shard_t *shard,
    ngx_ur_notice_t *notice);


/*
 * Severities of what is no warning.  An error is here only if it comes when the
 * statement has ended, such as that the connection is terminated: any other is
 * a result.
 */

static const char  *ngx_ur_notice_severities[] = {
    "DEBUG", "LOG", "INFO", "NOTICE", "ERROR", "FATAL", "PANIC", NULL
};


void
ngx_ur_notice(void *data, const PGresult *result)
{
    ngx_ur_shard_t *shard = data;

    ngx_uint_t         level;
    ngx_ur_notice_t    notice;
    ngx_ur_session_t  *session;

    session = shard->session;

    ngx_ur_notice_read(&notice, result);

    if (ngx_ur_notice_doubtful(&notice)) {
        ngx_cpystrn(session->doubt, notice.text, sizeof(session->doubt));
        level = NGX_LOG_INFO;

    } else if (ngx_strcmp(notice.severity, "WARNING") == 0) {
        level = (ngx_ur_notice_first(shard, &notice) == NGX_OK)
                ? NGX_LOG_WARN : NGX_LOG_INFO;

    } else {
        ngx_log_error(NGX_LOG_INFO, session->pg.log, 0,
                      "shard \"%V\" sent a notice: %s: %s", &shard->name,
                      notice.severity, notice.text);
        return;
    }

    ngx_log_error(level, session->pg.log, 0,
                  "shard \"%V\" warns: %s (%s, %s)%s", &shard->name,
                  notice.text, notice.sqlstate, notice.function,
                  level == NGX_LOG_WARN
                  ? ", it is logged once, others like it at level \"info\""
                  : "");
}


static void
ngx_ur_notice_read(ngx_ur_notice_t *notice, const PGresult *result)
{
    notice->severity = ngx_ur_notice_field(result,
                                           PG_DIAG_SEVERITY_NONLOCALIZED);

    if (ngx_strcmp(notice->severity, "-") == 0) {
        notice->severity = ngx_ur_notice_field(result, PG_DIAG_SEVERITY);
    }

    notice->sqlstate = ngx_ur_notice_field(result, PG_DIAG_SQLSTATE);
    notice->function = ngx_ur_notice_field(result, PG_DIAG_SOURCE_FUNCTION);
    notice->line = ngx_ur_notice_field(result, PG_DIAG_SOURCE_LINE);

    ngx_cpystrn(notice->text,
                (u_char *) ngx_ur_notice_field(result,
                                               PG_DIAG_MESSAGE_PRIMARY),
                sizeof(notice->text));

    line_flatten((char *) notice->text);
}


/* one line; "-" if the server does not tell */

static const char *
ngx_ur_notice_field(const PGresult *result, int field)
{
    char  *value;

    value = PQresultErrorField(result, field);

    if (value == NULL || *value == '\0') {
        return "-";
    }

    line_flatten(value);

    return value;
}


static ngx_uint_t
ngx_ur_notice_doubtful(ngx_ur_notice_t *notice)
{
    const char  **severity;

    if (ngx_strcmp(notice->function, NGX_UR_STANDBY) == 0) {
        return 1;
    }

    if (ngx_strcmp(notice->severity, "WARNING") == 0) {
        return ngx_strcmp(notice->function, "-") == 0;
    }

    for (severity = ngx_ur_notice_severities; *severity; severity++) {
        if (ngx_strcmp(notice->severity, *severity) == 0) {
            return 0;
        }
    }

    return 1;
}


/* the text is no part of a kind: counters and durations in it differ */

static ngx_int_t
ngx_ur_notice_first(ngx_ur_shard_t *shard, ngx_ur_notice_t *notice)
{
    uint32_t  kind;

    ngx_crc32_init(kind);
    ngx_crc32_update(&kind, (u_char *) notice->sqlstate,
                     ngx_strlen(notice->sqlstate) + 1);
    ngx_crc32_update(&kind, (u_char *) notice->function,
                     ngx_strlen(notice->function) + 1);
    ngx_crc32_update(&kind, (u_char *) notice->line, ngx_strlen(notice->line));
    ngx_crc32_final(kind);

    return ngx_ur_health_warned(shard, kind);
}
