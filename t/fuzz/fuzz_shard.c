
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * "shard" as nginx has read it: each line of an input is a parameter, an empty
 * line begins the next shard of the pool.  The sources of the directive are
 * included, for their static functions to be instrumented with it; pools and
 * formats are nginx's own.
 *
 * The password is "s3cret".  No message may show it, unless it was put where
 * everybody sees it: the value of one of our parameters, the name of a
 * variable or of a shard.
 */


#include "fuzz.h"

#include "conf/env.c"
#include "conf/range.c"
#include "conf/shard.c"


#define FUZZ_SECRET      "s3cret"

#define FUZZ_MAX_ARGS    16
#define FUZZ_MAX_SHARDS  16


static const struct {
    const char  *name;
    const char  *value;
} fuzz_environment[] = {
    { "PASSWORD", FUZZ_SECRET },
    { "URL", "postgresql://nginx:" FUZZ_SECRET "@db/numbers" },
    { "CONNINFO", "host=db user=nginx password=" FUZZ_SECRET },
    { "PAIR", "password=" FUZZ_SECRET },
    { "HOST", "db" },
    { "FIRST", "1" },
    { "LAST", "9" },
    { "RANGE", "range=1-9" },
    { "NESTED", "${PASSWORD}" },
    { "EMPTY", "" },
    { NULL, NULL }
};


/* what was logged since the directive began */

static u_char      fuzz_errors[8 * NGX_MAX_CONF_ERRSTR];
static size_t      fuzz_errors_len;
static ngx_uint_t  fuzz_failed;


int LLVMFuzzerInitialize(int *argc, char ***argv);

static ngx_int_t fuzz_shard_read(ngx_conf_t *cf, ngx_ur_pool_t *pool);
static ngx_uint_t fuzz_shard_args(ngx_conf_t *cf, fuzz_text_t *text);
static void fuzz_shard_pool(ngx_ur_pool_t *pool);
static ngx_uint_t fuzz_shard_shown(ngx_conf_t *cf);
static ngx_uint_t fuzz_shard_secret(const void *text, size_t len);
static ngx_uint_t fuzz_shard_named(ngx_str_t *value);
static ngx_uint_t fuzz_shard_own(ngx_str_t *value);


int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    ngx_uint_t  i;

    (void) argc;
    (void) argv;

    /* an input has to mean the same everywhere */

    fuzz_check(clearenv() == 0);

    for (i = 0; fuzz_environment[i].name; i++) {
        fuzz_check(setenv(fuzz_environment[i].name, fuzz_environment[i].value,
                          1)
                   == 0);
    }

    return 0;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ngx_log_t         log;
    ngx_uint_t        n;
    ngx_conf_t        cf;
    fuzz_text_t       text;
    ngx_ur_pool_t     pool;
    ngx_conf_file_t   file;

    ngx_memzero(&log, sizeof(ngx_log_t));
    ngx_memzero(&cf, sizeof(ngx_conf_t));
    ngx_memzero(&file, sizeof(ngx_conf_file_t));
    ngx_memzero(&pool, sizeof(ngx_ur_pool_t));

    file.file.name.data = (u_char *) "nginx.conf";
    file.line = 1;

    cf.log = &log;
    cf.conf_file = &file;
    cf.pool = ngx_create_pool(NGX_MIN_POOL_SIZE, &log);
    fuzz_check(cf.pool != NULL);

    ngx_str_set(&pool.name, "numbers");

    fuzz_check(ngx_array_init(&pool.shards, cf.pool, 1, sizeof(void *))
               == NGX_OK);
    fuzz_check(ngx_array_init(&pool.ranges, cf.pool, 1, sizeof(void *))
               == NGX_OK);

    text.pos = (const char *) data;
    text.last = text.pos + size;

    for (n = 0; n < FUZZ_MAX_SHARDS && fuzz_shard_args(&cf, &text); n++) {

        if (fuzz_shard_read(&cf, &pool) != NGX_OK) {
            break;
        }

        fuzz_check(pool.shards.nelts == n + 1);

        fuzz_shard_pool(&pool);

        file.line++;
    }

    ngx_destroy_pool(cf.pool);

    return 0;
}


static ngx_int_t
fuzz_shard_read(ngx_conf_t *cf, ngx_ur_pool_t *pool)
{
    char    *rv;
    size_t   len;

    fuzz_errors_len = 0;
    fuzz_failed = 0;

    rv = ngx_ur_shard(cf, NULL, pool);

    /* if it is refused, it is said why, once */

    fuzz_check(rv == NGX_CONF_OK || rv == NGX_CONF_ERROR);
    fuzz_check(fuzz_failed == (rv == NGX_CONF_ERROR));

    len = fuzz_errors_len;

    if (fuzz_shard_secret(fuzz_errors, len) && !fuzz_shard_shown(cf)) {
        fprintf(stderr, "it was logged: %.*s\n", (int) len, fuzz_errors);
        abort();
    }

    return rv == NGX_CONF_OK ? NGX_OK : NGX_ERROR;
}


/* stands in for nginx's, and keeps the text as well */

void ngx_cdecl
ngx_conf_log_error(ngx_uint_t level, ngx_conf_t *cf, ngx_err_t err,
    const char *fmt, ...)
{
    u_char   errstr[NGX_MAX_CONF_ERRSTR], *p;
    va_list  args;

    (void) cf;

    fuzz_check(err == 0);
    fuzz_check(level == NGX_LOG_EMERG || level == NGX_LOG_WARN);

    va_start(args, fmt);
    p = ngx_vslprintf(errstr, errstr + NGX_MAX_CONF_ERRSTR, fmt, args);
    va_end(args);

    fuzz_failed += (level == NGX_LOG_EMERG);

    /* of many warnings the first ones will do */

    if (sizeof(fuzz_errors) - fuzz_errors_len >= sizeof(errstr)) {
        ngx_memcpy(fuzz_errors + fuzz_errors_len, errstr, p - errstr);
        fuzz_errors_len += p - errstr;
    }
}


/* of nginx's pools, which log when there is no memory */

void ngx_cdecl
ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
    const char *fmt, ...)
{
    (void) level;
    (void) log;
    (void) err;

    fprintf(stderr, "nginx's memory: %s\n", fmt);
    abort();
}


/* of nginx's sort, which is not used */

volatile ngx_cycle_t  *ngx_cycle;


/* as nginx would: at least one parameter, each with a zero behind it */

static ngx_uint_t
fuzz_shard_args(ngx_conf_t *cf, fuzz_text_t *text)
{
    size_t       len;
    ngx_str_t   *arg;
    const char  *line;

    cf->args = ngx_array_create(cf->pool, FUZZ_MAX_ARGS, sizeof(ngx_str_t));
    fuzz_check(cf->args != NULL);

    arg = ngx_array_push(cf->args);
    fuzz_check(arg != NULL);

    ngx_str_set(arg, "shard");

    while (cf->args->nelts < FUZZ_MAX_ARGS) {

        line = fuzz_line(text, &len);

        if (line == NULL || (len == 0 && cf->args->nelts > 1)) {
            break;
        }

        arg = ngx_array_push(cf->args);
        fuzz_check(arg != NULL);

        arg->len = len;
        arg->data = ngx_pnalloc(cf->pool, len + 1);
        fuzz_check(arg->data != NULL);

        ngx_memcpy(arg->data, line, len);
        arg->data[len] = '\0';
    }

    return cf->args->nelts > 1;
}


/* what the rest of the module relies upon */

static void
fuzz_shard_pool(ngx_ur_pool_t *pool)
{
    ngx_uint_t        i, j;
    ngx_ur_range_t  **ranges;
    ngx_ur_shard_t  **shards, *shard;

    ranges = pool->ranges.elts;

    for (i = 0; i < pool->ranges.nelts; i++) {

        fuzz_check(ranges[i]->first <= ranges[i]->last);
        fuzz_check(ranges[i]->last <= INT64_MAX);
        fuzz_check(ranges[i]->last - ranges[i]->first < INT64_MAX);

        for (j = 0; j < i; j++) {
            fuzz_check(ranges[i]->last < ranges[j]->first
                       || ranges[i]->first > ranges[j]->last);
        }
    }

    shards = pool->shards.elts;

    for (i = 0; i < pool->shards.nelts; i++) {
        shard = shards[i];

        fuzz_check(shard->pool == pool);
        fuzz_check(shard->conninfo.nhosts > 0);
        fuzz_check(shard->ranges.nelts > 0);
        fuzz_check(shard->fail_timeout > 0);
        fuzz_check(shard->name.len > 0);

        ranges = shard->ranges.elts;

        for (j = 0; j < shard->ranges.nelts; j++) {
            fuzz_check(ranges[j]->shard == shard);
        }

        for (j = 0; j < i; j++) {
            fuzz_check(shards[j]->name.len != shard->name.len
                       || ngx_memcmp(shards[j]->name.data, shard->name.data,
                                     shard->name.len)
                          != 0);
        }
    }
}


/* whether the password was put where it is shown */

static ngx_uint_t
fuzz_shard_shown(ngx_conf_t *cf)
{
    ngx_str_t              *value, text;
    conninfo_t              ci;
    ngx_uint_t              i, shown;
    const char             *error;
    const conninfo_host_t  *h;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        if (fuzz_shard_named(&value[i])) {
            return 1;
        }
    }

    for (i = 2; i < cf->args->nelts; i++) {

        if (ngx_ur_env(cf, &value[i], &text) == NGX_OK
            && fuzz_shard_own(&text)
            && fuzz_shard_secret(text.data, text.len))
        {
            return 1;
        }
    }

    if (ngx_ur_env(cf, &value[1], &text) != NGX_OK) {
        return 0;
    }

    if (conninfo_parse(&ci, (char *) text.data, &error) != 0) {
        fuzz_check(strstr(error, FUZZ_SECRET) == NULL);
        return 0;
    }

    h = &ci.hosts[0];

    shown = strstr(h->host, FUZZ_SECRET)
            || strstr(h->hostaddr, FUZZ_SECRET)
            || strstr(ci.dbname, FUZZ_SECRET);

    conninfo_destroy(&ci);

    return shown;
}


static ngx_uint_t
fuzz_shard_secret(const void *text, size_t len)
{
    return memmem(text, len, FUZZ_SECRET, sizeof(FUZZ_SECRET) - 1) != NULL;
}


/*
 * In what env.c takes for the name of a variable, which ends where a default
 * begins.  That can be ill: the name in ${A=b} is "A=b".
 */

static ngx_uint_t
fuzz_shard_named(ngx_str_t *value)
{
    u_char  *p, *end, *colon, *last;

    last = value->data + value->len;

    for (p = value->data; last - p >= 2; p++) {

        if (p[0] != '$' || p[1] != '{') {
            continue;
        }

        end = ngx_strlchr(p, last, '}');

        if (end == NULL) {
            break;
        }

        colon = ngx_strlchr(p, end, ':');

        if (colon && colon[1] == '-') {
            end = colon;
        }

        if (fuzz_shard_secret(p, end - p)) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
fuzz_shard_own(ngx_str_t *value)
{
    ngx_ur_shard_param_t  *param;

    for (param = ngx_ur_shard_params; param->name.len; param++)
    {
        if (value->len >= param->name.len
            && ngx_memcmp(value->data, param->name.data, param->name.len) == 0)
        {
            return 1;
        }
    }

    return 0;
}
