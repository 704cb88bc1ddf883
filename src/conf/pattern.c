
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * Patterns are compiled here, by nginx, and tried with some numbers of the
 * pool, the same ones each time: who excludes nearly all of them is told so
 * before the first request has to wait.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "conf/pattern.h"
#include "pool.h"
#include "zone/exclude.h"
#include "zone/random.h"


/* how many numbers are tried, all if there are no more */
#define NGX_UR_PATTERN_NUMBERS  10000

/* in how much time of the processor, and how many it should do for at least */
#define NGX_UR_PATTERN_TIME     CLOCKS_PER_SEC
#define NGX_UR_PATTERN_FEW      1000

/* per mille of them that are worth a warning */
#define NGX_UR_PATTERN_MANY     900


typedef struct {
    ngx_ur_pool_t  *pool;
    uint64_t        size;               /* of all ranges */
    uint64_t        random;             /* the state of a generator */
    ngx_uint_t      tried;
    ngx_uint_t      excluded;
} ngx_ur_pattern_sample_t;


static char *ngx_ur_pattern_add(ngx_conf_t *cf, ngx_ur_pool_t *pool,
    ngx_str_t *pattern, ngx_uint_t caseless);
static ngx_int_t ngx_ur_pattern_try(ngx_conf_t *cf,
    ngx_ur_pattern_sample_t *sample);
static uint64_t ngx_ur_pattern_number(ngx_ur_pattern_sample_t *sample);
static uint64_t ngx_ur_pattern_random(ngx_ur_pattern_sample_t *sample);
static char *ngx_ur_pattern_judge(ngx_conf_t *cf,
    ngx_ur_pattern_sample_t *sample);


char *
ngx_ur_pattern(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_ur_pool_t *pool = conf;

    ngx_str_t  *value;
    ngx_uint_t  caseless;

    value = cf->args->elts;

    caseless = ngx_strcmp(value[1].data, "-i") == 0;

    if (caseless && cf->args->nelts == 2) {
        return "has no pattern after \"-i\"";
    }

    if (!caseless && cf->args->nelts == 3) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", \"exclude\" takes one "
                           "pattern, with \"-i\" before it or not", &value[1]);
        return NGX_CONF_ERROR;
    }

    return ngx_ur_pattern_add(cf, pool, &value[cf->args->nelts - 1], caseless);
}


static char *
ngx_ur_pattern_add(ngx_conf_t *cf, ngx_ur_pool_t *pool, ngx_str_t *pattern,
    ngx_uint_t caseless)
{
#if (NGX_PCRE)

    u_char                errstr[NGX_MAX_CONF_ERRSTR];
    ngx_regex_elt_t      *elt;
    ngx_regex_compile_t   rc;

    ngx_memzero(&rc, sizeof(ngx_regex_compile_t));

    rc.pattern = *pattern;
    rc.options = caseless ? NGX_REGEX_CASELESS : 0;
    rc.pool = cf->pool;
    rc.err.len = NGX_MAX_CONF_ERRSTR;
    rc.err.data = errstr;

    if (ngx_regex_compile(&rc) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%V", &rc.err);
        return NGX_CONF_ERROR;
    }

    if (pool->excludes == NULL) {
        pool->excludes = ngx_array_create(cf->pool, 4, sizeof(ngx_regex_elt_t));
        if (pool->excludes == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    elt = ngx_array_push(pool->excludes);
    if (elt == NULL) {
        return NGX_CONF_ERROR;
    }

    elt->regex = rc.regex;
    elt->name = pattern->data;

    return NGX_CONF_OK;

#else

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "using regex \"%V\" requires PCRE library", pattern);

    return NGX_CONF_ERROR;

#endif
}


char *
ngx_ur_pattern_init(ngx_conf_t *cf, ngx_ur_pool_t *pool)
{
    ngx_uint_t                i;
    ngx_ur_range_t          **ranges;
    ngx_ur_pattern_sample_t   sample;

    if (pool->excludes == NULL) {
        return NGX_CONF_OK;
    }

    ngx_memzero(&sample, sizeof(ngx_ur_pattern_sample_t));

    sample.pool = pool;

    ranges = pool->ranges.elts;

    for (i = 0; i < pool->ranges.nelts; i++) {
        sample.size += ranges[i]->last - ranges[i]->first + 1;
    }

    if (ngx_ur_pattern_try(cf, &sample) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return ngx_ur_pattern_judge(cf, &sample);
}


static ngx_int_t
ngx_ur_pattern_try(ngx_conf_t *cf, ngx_ur_pattern_sample_t *sample)
{
    clock_t         start;
    uint64_t        number;
    ngx_uint_t      n;
    ngx_ur_pool_t  *pool;

    pool = sample->pool;
    start = clock();

    for (n = ngx_min(sample->size, NGX_UR_PATTERN_NUMBERS);
         sample->tried < n;
         sample->tried++)
    {
        if (clock() - start > NGX_UR_PATTERN_TIME) {
            break;
        }

        number = ngx_ur_pattern_number(sample);

        switch (ngx_ur_exclude_match(pool, number, cf->log)) {

        case NGX_OK:
            sample->excluded++;
            break;

        case NGX_DECLINED:
            break;

        default:
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "\"exclude\" of unique_random_pool \"%V\" cannot "
                          "match number %uL, a simpler pattern is expected "
                          "in %s:%ui", &pool->name, number, pool->file,
                          pool->line);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* the next one to try: of all one after the other, or any */

static uint64_t
ngx_ur_pattern_number(ngx_ur_pattern_sample_t *sample)
{
    uint64_t          n, size;
    ngx_uint_t        i;
    ngx_ur_range_t  **ranges;

    n = (sample->size <= NGX_UR_PATTERN_NUMBERS)
        ? sample->tried
        : ngx_ur_random_below(ngx_ur_pattern_random(sample), sample->size);

    ranges = sample->pool->ranges.elts;

    for (i = 0; /* void */ ; i++) {
        size = ranges[i]->last - ranges[i]->first + 1;

        if (n < size) {
            return ranges[i]->first + n;
        }

        n -= size;
    }
}


/* SplitMix64: a configuration is judged alike each time */

static uint64_t
ngx_ur_pattern_random(ngx_ur_pattern_sample_t *sample)
{
    uint64_t  z;

    sample->random += 0x9e3779b97f4a7c15;

    z = sample->random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;

    return z ^ (z >> 31);
}


static char *
ngx_ur_pattern_judge(ngx_conf_t *cf, ngx_ur_pattern_sample_t *sample)
{
    ngx_uint_t      share;
    ngx_ur_pool_t  *pool;

    pool = sample->pool;

    if (sample->tried < ngx_min(sample->size, NGX_UR_PATTERN_FEW)) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"exclude\" of unique_random_pool \"%V\" is slow: only "
                      "%ui numbers were matched in a second in %s:%ui",
                      &pool->name, sample->tried, pool->file, pool->line);
        return NGX_CONF_OK;
    }

    if (sample->excluded == sample->tried) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"exclude\" of unique_random_pool \"%V\" leaves no "
                      "numbers: 100%% of %ui that were tried are excluded "
                      "in %s:%ui",
                      &pool->name, sample->tried, pool->file, pool->line);
        return NGX_CONF_ERROR;
    }

    share = sample->excluded * 1000 / sample->tried;

    if (share >= NGX_UR_PATTERN_MANY) {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "\"exclude\" of unique_random_pool \"%V\" leaves few "
                      "numbers: %ui.%ui%% of %ui that were tried are excluded "
                      "in %s:%ui", &pool->name, share / 10, share % 10,
                      sample->tried, pool->file, pool->line);
    }

    return NGX_CONF_OK;
}
