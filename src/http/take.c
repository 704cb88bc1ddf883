
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A draw, and whatever it says is to be asked for.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "http/context.h"
#include "http/take.h"
#include "pool.h"
#include "postgres/reserve.h"
#include "zone/batch.h"
#include "zone/choice.h"


/*
 * Numbers that are excluded are passed over: at most so many in a row, each of
 * which may have to be matched, before others have their turn.
 */
#define NGX_UR_TAKE_SKIPS  256


static ngx_int_t ngx_ur_take_number(ngx_ur_ctx_t *ctx, ngx_ur_draw_t *draw);


ngx_int_t
ngx_ur_take(ngx_ur_ctx_t *ctx)
{
    ngx_int_t      rc;
    ngx_ur_draw_t  draw;

    do {
        if (ngx_ur_choice_draw(ctx->pool, &draw) != NGX_OK) {
            return NGX_DECLINED;
        }

        rc = ngx_ur_take_number(ctx, &draw);

    } while (rc == NGX_AGAIN && ++ctx->skips % NGX_UR_TAKE_SKIPS);

    return rc;
}


ngx_int_t
ngx_ur_take_ready(ngx_ur_ctx_t *ctx)
{
    return ngx_ur_choice_ready(ctx->pool) ? NGX_OK : NGX_DECLINED;
}


/* the position is taken, so whatever fails from here on burns it */

static ngx_int_t
ngx_ur_take_number(ngx_ur_ctx_t *ctx, ngx_ur_draw_t *draw)
{
    uint64_t         position, value;
    ngx_int_t        rc;
    ngx_ur_range_t  *range;

    range = draw->range;

    rc = ngx_ur_batch_issue(range, &position, &value);

    if (draw->ask) {
        ngx_ur_reserve(ctx->pool, &draw->cause);
    }

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_ALERT, ctx->request->connection->log, 0,
                      "no permutation of range %uL-%uL, position %uL is "
                      "burned", range->first, range->last, position);
        return NGX_ERROR;
    }

    ctx->number = range->first + value;
    ctx->shard = &range->shard->name;

    return NGX_OK;
}
