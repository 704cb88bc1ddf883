
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * What a reply changes in the slot of its range.
 */


#ifndef _NGX_UR_REPLY_H_INCLUDED_
#define _NGX_UR_REPLY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "core/reservation.h"
#include "core/statement.h"
#include "pool.h"


/*
 * Takes in the reply to an ask.  If it contradicts what is remembered, its
 * outcome becomes RESERVATION_FENCED or RESERVATION_STALE, and detail says why.
 * NGX_OK if the outcome or its reason is another one than before: worth a line
 * in the log.  "known" becomes how many positions are known to be reserved, and
 * "began" empty if it is of no life that is new here.
 */
ngx_int_t ngx_ur_reply(ngx_ur_range_t *range, statement_ask_t *ask,
    reservation_t *reply, uint64_t *known);


#endif /* _NGX_UR_REPLY_H_INCLUDED_ */
