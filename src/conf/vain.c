
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What the rewrite module does in a level is a program, an array of codes, with
 * which its configuration begins in every nginx there is.  Each code begins
 * with the address of its function, which http/ngx_http_script.h declares, and
 * whose code is in nginx even where the module is not.  So the program is read
 * word by word: nothing else that is in it, a length, an index or the address
 * of a string, is the address of a function.  The module is looked up by its
 * name: one that refers to it would not load into an nginx without it.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "conf/conf.h"
#include "conf/vain.h"


static void ngx_ur_vain_warn_ifs(ngx_conf_t *cf, ngx_array_t *codes,
    ngx_array_t *outer);
static void ngx_ur_vain_warn_sets(ngx_conf_t *cf, ngx_array_t *codes,
    ngx_array_t *sets, ngx_array_t *outer, ngx_uint_t returns);
static ngx_uint_t ngx_ur_vain_has(ngx_array_t *sets, ngx_uint_t index);
static ngx_array_t *ngx_ur_vain_codes(ngx_conf_t *cf);
static ngx_uint_t ngx_ur_vain_passed_on(ngx_http_core_loc_conf_t *clcf);
static ngx_uint_t ngx_ur_vain_returns(uintptr_t *p, uintptr_t *last);
static ngx_uint_t ngx_ur_vain_breaks(uintptr_t *p);
static ngx_uint_t ngx_ur_vain_reads(ngx_array_t *codes, ngx_uint_t index);
static ngx_uint_t ngx_ur_vain_text(ngx_http_script_return_code_t *code,
    ngx_uint_t index);


#define ngx_ur_vain_is(p, function)  (*(p) == (uintptr_t) (function))


void
ngx_ur_vain_warn(ngx_conf_t *cf, ngx_ur_loc_conf_t *prev,
    ngx_ur_loc_conf_t *conf)
{
    uintptr_t                 *first, *last;
    ngx_uint_t                 returns;
    ngx_array_t               *sets, *codes;
    ngx_http_core_loc_conf_t  *clcf;

    codes = ngx_ur_vain_codes(cf);

    if (codes == NULL) {
        return;
    }

    first = codes->elts;
    last = (uintptr_t *) ((u_char *) codes->elts + codes->nelts);

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    sets = conf->sets ? conf->sets : prev->sets;

    returns = conf->sets
              && !ngx_ur_vain_passed_on(clcf)
              && ngx_ur_vain_returns(first, last);

    ngx_ur_vain_warn_sets(cf, codes, sets, NULL, returns);

    ngx_ur_vain_warn_ifs(cf, codes, sets);
}


/*
 * Of an "if" that has the directive.  Once its condition holds, what stands in
 * it and what comes after it are one.
 */

static void
ngx_ur_vain_warn_ifs(ngx_conf_t *cf, ngx_array_t *codes, ngx_array_t *outer)
{
    uintptr_t                  *p, *first, *last;
    ngx_uint_t                  returns;
    ngx_ur_loc_conf_t          *conf;
    ngx_http_script_if_code_t  *cond;

    first = codes->elts;
    last = (uintptr_t *) ((u_char *) codes->elts + codes->nelts);

    for (p = first; p < last; p++) {

        if (!ngx_ur_vain_is(p, ngx_http_script_if_code)) {
            continue;
        }

        cond = (ngx_http_script_if_code_t *) p;

        /* NULL: of a server, where it cannot have one */

        if (cond->loc_conf == NULL) {
            continue;
        }

        conf = cond->loc_conf[ngx_http_unique_random_module.ctx_index];

        returns = ngx_ur_vain_returns(first, p)
                  || ngx_ur_vain_returns((uintptr_t *) (cond + 1), last);

        ngx_ur_vain_warn_sets(cf, codes, conf->sets, outer, returns);
    }
}


/* those that "outer" has, too, have been seen to with all the codes */

static void
ngx_ur_vain_warn_sets(ngx_conf_t *cf, ngx_array_t *codes, ngx_array_t *sets,
    ngx_array_t *outer, ngx_uint_t returns)
{
    ngx_uint_t                  i;
    ngx_ur_set_t              **s;
    ngx_http_core_loc_conf_t   *clcf;

    if (sets == NULL) {
        return;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    s = sets->elts;

    for (i = 0; i < sets->nelts; i++) {

        if (returns) {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "\"unique_random_set $%V\" draws no number, since "
                          "\"return\" comes first in %s:%ui",
                          &s[i]->name, s[i]->use->file, s[i]->use->line);
        }

        /* what is redirected here may have been drawn before */

        if (clcf->named
            || clcf->internal
            || ngx_ur_vain_has(outer, s[i]->index))
        {
            continue;
        }

        if (ngx_ur_vain_reads(codes, s[i]->index)) {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "\"$%V\" is empty in \"set\", \"if\", \"rewrite\" "
                          "and \"return\" of %s%V, which come before "
                          "\"unique_random_set\" in %s:%ui", &s[i]->name,
                          clcf->name.len ? "location " : "the server",
                          &clcf->name, s[i]->use->file, s[i]->use->line);
        }
    }
}


static ngx_uint_t
ngx_ur_vain_has(ngx_array_t *sets, ngx_uint_t index)
{
    ngx_uint_t      i;
    ngx_ur_set_t  **s;

    if (sets == NULL) {
        return 0;
    }

    s = sets->elts;

    for (i = 0; i < sets->nelts; i++) {
        if (s[i]->index == index) {
            return 1;
        }
    }

    return 0;
}


/* NULL if there are none, as of an "if": they are among its location's */

static ngx_array_t *
ngx_ur_vain_codes(ngx_conf_t *cf)
{
    ngx_uint_t             i;
    ngx_array_t          **codes;
    ngx_module_t          *module;
    ngx_http_conf_ctx_t   *ctx;

    ctx = cf->ctx;

    for (i = 0; cf->cycle->modules[i]; i++) {
        module = cf->cycle->modules[i];

        if (ngx_strcmp(module->name, "ngx_http_rewrite_module") == 0) {
            codes = ctx->loc_conf[module->ctx_index];
            return *codes;
        }
    }

    return NULL;
}


/*
 * Whether there are locations in it to inherit the directive, but not what
 * comes before it: "return" of a server is for all that have no "@".
 */

static ngx_uint_t
ngx_ur_vain_passed_on(ngx_http_core_loc_conf_t *clcf)
{
    ngx_queue_t                *q;
    ngx_http_core_loc_conf_t   *inner;
    ngx_http_location_queue_t  *lq;

    if (clcf->locations == NULL) {
        return 0;
    }

    for (q = ngx_queue_head(clcf->locations);
         q != ngx_queue_sentinel(clcf->locations);
         q = ngx_queue_next(q))
    {
        lq = (ngx_http_location_queue_t *) q;
        inner = lq->exact ? lq->exact : lq->inclusive;

        if (clcf->name.len ? !inner->noname : inner->named) {
            return 1;
        }
    }

    return 0;
}


/*
 * Whether there is no way past a "return".  One that is in an "if" has a way
 * past it, and so has whatever comes after a "break".
 */

static ngx_uint_t
ngx_ur_vain_returns(uintptr_t *p, uintptr_t *last)
{
    uintptr_t                  *end;
    ngx_http_script_if_code_t  *cond;

    for (end = p; p < last; p++) {

        if (ngx_ur_vain_is(p, ngx_http_script_if_code)) {
            cond = (ngx_http_script_if_code_t *) p;
            end = (uintptr_t *) ((u_char *) p + cond->next);

        } else if (ngx_ur_vain_breaks(p)) {
            return 0;

        } else if (p >= end && ngx_ur_vain_is(p, ngx_http_script_return_code)) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_ur_vain_breaks(uintptr_t *p)
{
    if (ngx_ur_vain_is(p, ngx_http_script_break_code)) {
        return 1;
    }

#if (NGX_PCRE)

    if (ngx_ur_vain_is(p, ngx_http_script_regex_start_code)) {
        return ((ngx_http_script_regex_code_t *) p)->break_cycle;
    }

#endif

    return 0;
}


static ngx_uint_t
ngx_ur_vain_reads(ngx_array_t *codes, ngx_uint_t index)
{
    uintptr_t  *p, *last;

    p = codes->elts;
    last = (uintptr_t *) ((u_char *) codes->elts + codes->nelts);

    for ( /* void */ ; p < last; p++) {

        if (ngx_ur_vain_is(p, ngx_http_script_var_code)
            || ngx_ur_vain_is(p, ngx_http_script_copy_var_code))
        {
            if (((ngx_http_script_var_code_t *) p)->index == index) {
                return 1;
            }

        } else if (ngx_ur_vain_is(p, ngx_http_script_return_code)) {
            if (ngx_ur_vain_text((ngx_http_script_return_code_t *) p, index)) {
                return 1;
            }
        }
    }

    return 0;
}


/* a text has its variables listed, up to a -1; if it has none, no list */

static ngx_uint_t
ngx_ur_vain_text(ngx_http_script_return_code_t *code, ngx_uint_t index)
{
    ngx_uint_t  *flush;

    flush = code->text.flushes;

    if (flush == NULL) {
        return 0;
    }

    for ( /* void */ ; *flush != (ngx_uint_t) -1; flush++) {
        if (*flush == index) {
            return 1;
        }
    }

    return 0;
}
