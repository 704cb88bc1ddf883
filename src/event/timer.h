
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 *
 * A timer that means what it was told last.
 */


#ifndef _NGX_UR_TIMER_H_INCLUDED_
#define _NGX_UR_TIMER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>


/* ngx_add_timer() keeps the old time if the new one is close to it */

static ngx_inline void
ngx_ur_timer_set(ngx_event_t *ev, ngx_msec_t timeout)
{
    if (ev->timer_set) {
        ngx_del_timer(ev);
    }

    ngx_add_timer(ev, timeout);
}


/* whether a value of ngx_current_msec is over */

#define ngx_ur_timer_past(time)                                               \
    ((ngx_msec_int_t) (ngx_current_msec - (time)) >= 0)


#endif /* _NGX_UR_TIMER_H_INCLUDED_ */
