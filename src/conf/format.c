
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * The length of a pool's numbers is that of its largest one, which is known
 * when the block ends.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "conf/format.h"
#include "core/alphabet.h"
#include "core/check.h"
#include "core/format.h"
#include "pool.h"


#define NGX_UR_FORMAT_WIDTH      0x01
#define NGX_UR_FORMAT_PREFIX     0x02
#define NGX_UR_FORMAT_GROUP      0x04
#define NGX_UR_FORMAT_SEPARATOR  0x08
#define NGX_UR_FORMAT_CHECK      0x10
#define NGX_UR_FORMAT_STRING     0x20


struct ngx_ur_format_s {
    format_spec_t   spec;
    ngx_uint_t      given;
    ngx_str_t       text;               /* of the directive */
    u_char         *file;
    ngx_uint_t      line;
};


typedef struct {
    ngx_str_t       name;
    ngx_uint_t      bit;
    char         *(*set)(format_spec_t *spec, ngx_str_t *value);
} ngx_ur_format_param_t;


static char *ngx_ur_format_param(ngx_conf_t *cf, ngx_ur_format_t *format,
    ngx_str_t *value);
static char *ngx_ur_format_width(format_spec_t *spec, ngx_str_t *value);
static char *ngx_ur_format_prefix(format_spec_t *spec, ngx_str_t *value);
static char *ngx_ur_format_group(format_spec_t *spec, ngx_str_t *value);
static char *ngx_ur_format_symbols(unsigned *symbols, ngx_str_t *value);
static char *ngx_ur_format_separator(format_spec_t *spec, ngx_str_t *value);
static char *ngx_ur_format_check(format_spec_t *spec, ngx_str_t *value);
static char *ngx_ur_format_string(format_spec_t *spec, ngx_str_t *value);


/* "set" returns what is expected */

static ngx_ur_format_param_t  ngx_ur_format_params[] = {
    { ngx_string("width="), NGX_UR_FORMAT_WIDTH, ngx_ur_format_width },
    { ngx_string("prefix="), NGX_UR_FORMAT_PREFIX, ngx_ur_format_prefix },
    { ngx_string("group="), NGX_UR_FORMAT_GROUP, ngx_ur_format_group },
    { ngx_string("separator="), NGX_UR_FORMAT_SEPARATOR,
      ngx_ur_format_separator },
    { ngx_string("check="), NGX_UR_FORMAT_CHECK, ngx_ur_format_check },
    { ngx_string("string"), NGX_UR_FORMAT_STRING, ngx_ur_format_string },
    { ngx_null_string, 0, NULL }
};


char *
ngx_ur_format(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_ur_pool_t *pool = conf;

    ngx_str_t        *value;
    ngx_uint_t        i;
    ngx_ur_format_t  *format;

    if (pool->written) {
        return "is duplicate";
    }

    format = ngx_pcalloc(cf->pool, sizeof(ngx_ur_format_t));
    if (format == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    format->text = value[1];
    format->file = cf->conf_file->file.name.data;
    format->line = cf->conf_file->line;

    format->spec.alphabet = alphabet_find((char *) value[1].data,
                                          value[1].len);

    if (format->spec.alphabet == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid format \"%V\", it must be \"decimal\", "
                           "\"hex\", \"base32\", \"base58\" or \"base62\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_ur_format_param(cf, format, &value[i]) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    pool->written = format;

    return NGX_CONF_OK;
}


static char *
ngx_ur_format_param(ngx_conf_t *cf, ngx_ur_format_t *format, ngx_str_t *value)
{
    char                   *expected;
    ngx_str_t               arg;
    ngx_ur_format_param_t  *p;

    for (p = ngx_ur_format_params; p->name.len; p++) {

        if (ngx_strncmp(value->data, p->name.data, p->name.len) != 0
            || (p->bit == NGX_UR_FORMAT_STRING && value->len != p->name.len))
        {
            continue;
        }

        if (format->given & p->bit) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate parameter \"%V\" in \"format\" "
                               "directive", value);
            return NGX_CONF_ERROR;
        }

        format->given |= p->bit;

        arg.data = value->data + p->name.len;
        arg.len = value->len - p->name.len;

        expected = p->set(&format->spec, &arg);

        if (expected) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid value \"%V\" in \"format\" directive, "
                               "%s is expected", value, expected);
            return NGX_CONF_ERROR;
        }

        return NGX_CONF_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\", \"format\" takes \"width=\", "
                       "\"prefix=\", \"group=\", \"separator=\", \"check=\" "
                       "and \"string\"", value);

    return NGX_CONF_ERROR;
}


static char *
ngx_ur_format_width(format_spec_t *spec, ngx_str_t *value)
{
    return ngx_ur_format_symbols(&spec->width, value);
}


static char *
ngx_ur_format_prefix(format_spec_t *spec, ngx_str_t *value)
{
    if (value->len == 0) {
        return "a text";
    }

    spec->prefix = value->data;
    spec->prefix_len = value->len;

    return NULL;
}


static char *
ngx_ur_format_group(format_spec_t *spec, ngx_str_t *value)
{
    return ngx_ur_format_symbols(&spec->group, value);
}


static char *
ngx_ur_format_symbols(unsigned *symbols, ngx_str_t *value)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n < 1 || n > FORMAT_WIDTH) {
        return "a number between 1 and 20";
    }

    *symbols = n;

    return NULL;
}


static char *
ngx_ur_format_separator(format_spec_t *spec, ngx_str_t *value)
{
    if (value->len != 1) {
        return "one character";
    }

    spec->separator = value->data[0];

    return NULL;
}


static char *
ngx_ur_format_check(format_spec_t *spec, ngx_str_t *value)
{
    spec->check = check_find((char *) value->data, value->len);

    return spec->check ? NULL
                       : "\"luhn\", \"damm\", \"mod97\", \"crockford\" or "
                         "\"gf32\"";
}


static char *
ngx_ur_format_string(format_spec_t *spec, ngx_str_t *value)
{
    spec->string = 1;

    return NULL;
}


char *
ngx_ur_format_init(ngx_conf_t *cf, ngx_ur_pool_t *pool)
{
    uint64_t          largest;
    const char       *error;
    ngx_uint_t        i;
    ngx_ur_format_t  *format;
    ngx_ur_range_t  **ranges;

    format = pool->written;

    if (format == NULL) {
        return NGX_CONF_OK;
    }

    pool->format = ngx_palloc(cf->pool, sizeof(format_t));
    if (pool->format == NULL) {
        return NGX_CONF_ERROR;
    }

    largest = 0;
    ranges = pool->ranges.elts;

    for (i = 0; i < pool->ranges.nelts; i++) {
        largest = ngx_max(largest, ranges[i]->last);
    }

    error = format_init(pool->format, &format->spec, largest);

    if (error) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "invalid format \"%V\" of unique_random_pool \"%V\", "
                      "whose largest number is %uL and takes width=%ui: "
                      "%s in %s:%ui",
                      &format->text, &pool->name, largest,
                      (ngx_uint_t) alphabet_width(format->spec.alphabet,
                                                  largest),
                      error, format->file, format->line);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}
