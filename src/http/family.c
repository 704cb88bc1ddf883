
/*
 * Copyright (C) 2026 the ngx_http_unique_random_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "http/family.h"
#include "zone/account.h"
#include "zone/condition.h"
#include "zone/snapshot.h"


const char *const  ngx_ur_family_types[] = {
    "gauge", "gauge", "gauge", "gauge", "gauge", "counter", "histogram"
};


const ngx_ur_family_t  ngx_ur_family[] = {

    { "zone_created_timestamp_seconds", "seconds",
      "When the zone was created, and counting began.",
      NGX_UR_FAMILY_POOL, NGX_UR_FAMILY_TIME,
      offsetof(ngx_ur_snapshot_t, created),
      NULL, NULL, 0 },

    { "zone_size_bytes", "bytes",
      "Size of the zone.",
      NGX_UR_FAMILY_POOL, NGX_UR_FAMILY_GAUGE,
      offsetof(ngx_ur_snapshot_t, zone_size),
      NULL, NULL, 0 },

    { "zone_ranges", NULL,
      "Ranges that the zone holds.",
      NGX_UR_FAMILY_POOL, NGX_UR_FAMILY_GAUGE,
      offsetof(ngx_ur_snapshot_t, used_places),
      NULL, NULL, 0 },

    { "zone_free_ranges", NULL,
      "Ranges that the zone has room for yet.",
      NGX_UR_FAMILY_POOL, NGX_UR_FAMILY_GAUGE,
      offsetof(ngx_ur_snapshot_t, free_places),
      NULL, NULL, 0 },

    { "state_unsaved_ranges", NULL,
      "Ranges whose memory is not on disk.",
      NGX_UR_FAMILY_STATE, NGX_UR_FAMILY_GAUGE,
      offsetof(ngx_ur_snapshot_t, unsaved),
      NULL, NULL, 0 },

    { "state_written_timestamp_seconds", "seconds",
      "When the state was written to disk.",
      NGX_UR_FAMILY_STATE, NGX_UR_FAMILY_TIME,
      offsetof(ngx_ur_snapshot_t, written),
      NULL, NULL, 0 },

    { "pool_requests", NULL,
      "Requests for a number that were answered.",
      NGX_UR_FAMILY_POOL, NGX_UR_FAMILY_COUNTER,
      offsetof(ngx_ur_snapshot_t, requests),
      NULL, NULL, 0 },

    { "pool_waits", NULL,
      "Requests that waited for their number.",
      NGX_UR_FAMILY_POOL, NGX_UR_FAMILY_COUNTER,
      offsetof(ngx_ur_snapshot_t, statuses[NGX_UR_WAITED]),
      NULL, NULL, 0 },

    { "pool_exhausted", NULL,
      "Requests for more numbers than were left.",
      NGX_UR_FAMILY_POOL, NGX_UR_FAMILY_COUNTER,
      offsetof(ngx_ur_snapshot_t, statuses[NGX_UR_EXHAUSTED]),
      NULL, NULL, 0 },

    { "pool_unavailable", NULL,
      "Requests that got no number in time.",
      NGX_UR_FAMILY_POOL, NGX_UR_FAMILY_COUNTER,
      offsetof(ngx_ur_snapshot_t, statuses[NGX_UR_UNAVAILABLE]),
      NULL, NULL, 0 },

    { "pool_waiting_requests", "requests",
      "Requests that are waiting.",
      NGX_UR_FAMILY_POOL, NGX_UR_FAMILY_GAUGE,
      offsetof(ngx_ur_snapshot_t, waiting),
      NULL, NULL, 0 },

    { "pool_oldest_wait_seconds", "seconds",
      "How long the first of them has waited.",
      NGX_UR_FAMILY_POOL, NGX_UR_FAMILY_SECONDS,
      offsetof(ngx_ur_snapshot_t, oldest),
      NULL, NULL, 0 },

    { "pool_queue_limit_requests", "requests",
      "Most requests that may wait.",
      NGX_UR_FAMILY_POOL, NGX_UR_FAMILY_GAUGE,
      offsetof(ngx_ur_snapshot_t, queue),
      NULL, NULL, 0 },

    { "pool_wait_seconds", "seconds",
      "How long requests waited.",
      NGX_UR_FAMILY_POOL, NGX_UR_FAMILY_HISTOGRAM,
      offsetof(ngx_ur_snapshot_t, waits),
      NULL, NULL, 0 },

    { "range_size_numbers", "numbers",
      "Numbers of the range.",
      NGX_UR_FAMILY_RANGE, NGX_UR_FAMILY_KNOWN,
      offsetof(ngx_ur_range_snapshot_t, known_size),
      NULL, NULL, 0 },

    { "range_reserved_numbers", "numbers",
      "Numbers that have been reserved, by every nginx.",
      NGX_UR_FAMILY_RANGE, NGX_UR_FAMILY_GAUGE,
      offsetof(ngx_ur_range_snapshot_t, reserved),
      NULL, NULL, 0 },

    { "range_returned_numbers", "numbers",
      "Of these, numbers that were given back.",
      NGX_UR_FAMILY_RANGE, NGX_UR_FAMILY_GAUGE,
      offsetof(ngx_ur_range_snapshot_t, returned),
      NULL, NULL, 0 },

    { "range_leased_numbers", "numbers",
      "Numbers that this nginx has in stock.",
      NGX_UR_FAMILY_RANGE, NGX_UR_FAMILY_GAUGE,
      offsetof(ngx_ur_range_snapshot_t, leased),
      NULL, NULL, 0 },

    { "range_batched_numbers", "numbers",
      "Numbers that its workers have taken from the stock.",
      NGX_UR_FAMILY_RANGE, NGX_UR_FAMILY_GAUGE,
      offsetof(ngx_ur_range_snapshot_t, batched),
      NULL, NULL, 0 },

    { "range_granted_numbers", "numbers",
      "Numbers that this nginx has reserved.",
      NGX_UR_FAMILY_RANGE, NGX_UR_FAMILY_COUNTER,
      offsetof(ngx_ur_range_snapshot_t, account.granted),
      NULL, NULL, 0 },

    { "range_issued_numbers", "numbers",
      "Numbers that this nginx has issued.",
      NGX_UR_FAMILY_RANGE, NGX_UR_FAMILY_COUNTER,
      offsetof(ngx_ur_range_snapshot_t, account.issued),
      NULL, NULL, 0 },

    { "range_excluded_numbers", "numbers",
      "Numbers that this nginx has passed over, as configured.",
      NGX_UR_FAMILY_RANGE, NGX_UR_FAMILY_COUNTER,
      offsetof(ngx_ur_range_snapshot_t, account.excluded),
      NULL, NULL, 0 },

    { "range_given_back_numbers", "numbers",
      "Numbers that this nginx has given back.",
      NGX_UR_FAMILY_RANGE, NGX_UR_FAMILY_COUNTER,
      offsetof(ngx_ur_range_snapshot_t, account.given_back),
      NULL, NULL, 0 },

    { "range_burned_numbers", "numbers",
      "Numbers that will never be issued, by cause.",
      NGX_UR_FAMILY_RANGE, NGX_UR_FAMILY_COUNTER,
      offsetof(ngx_ur_range_snapshot_t, account.burned),
      "cause", ngx_ur_snapshot_burned, NGX_UR_BURNED },

    { "range_epoch", NULL,
      "Which life of the range it is, of which a later one has more.",
      NGX_UR_FAMILY_RANGE, NGX_UR_FAMILY_KNOWN,
      offsetof(ngx_ur_range_snapshot_t, epoch),
      NULL, NULL, 0 },

    { "range_state", NULL,
      "Whether the range is in this state.",
      NGX_UR_FAMILY_RANGE, NGX_UR_FAMILY_ONE_OF,
      offsetof(ngx_ur_range_snapshot_t, state),
      "state", ngx_ur_condition_ranges, NGX_UR_RANGE_STATES },

    { "range_state_timestamp_seconds", "seconds",
      "Since when the database says of the range what it says.",
      NGX_UR_FAMILY_RANGE, NGX_UR_FAMILY_TIME,
      offsetof(ngx_ur_range_snapshot_t, account.since),
      NULL, NULL, 0 },

    { "range_last_reservation_timestamp_seconds", "seconds",
      "When numbers were reserved last.",
      NGX_UR_FAMILY_RANGE, NGX_UR_FAMILY_TIME,
      offsetof(ngx_ur_range_snapshot_t, account.reserved_at),
      NULL, NULL, 0 },

    { "range_last_reservation_numbers", "numbers",
      "How many these were.",
      NGX_UR_FAMILY_RANGE, NGX_UR_FAMILY_KNOWN,
      offsetof(ngx_ur_range_snapshot_t, account.reserved),
      NULL, NULL, 0 },

    { "shard_state", NULL,
      "Whether the shard is in this state.",
      NGX_UR_FAMILY_SHARD, NGX_UR_FAMILY_ONE_OF,
      offsetof(ngx_ur_shard_snapshot_t, state),
      "state", ngx_ur_condition_shards, NGX_UR_SHARD_STATES },

    { "shard_reservations", NULL,
      "Statements to reserve numbers, or attempts to connect for them.",
      NGX_UR_FAMILY_SHARD, NGX_UR_FAMILY_COUNTER,
      offsetof(ngx_ur_shard_snapshot_t, account.reservations),
      NULL, NULL, 0 },

    { "shard_reservation_failures", NULL,
      "Those of them that failed.",
      NGX_UR_FAMILY_SHARD, NGX_UR_FAMILY_COUNTER,
      offsetof(ngx_ur_shard_snapshot_t, account.failures),
      NULL, NULL, 0 },

    { "shard_reservation_seconds", "seconds",
      "How long those took that did not fail.",
      NGX_UR_FAMILY_SHARD, NGX_UR_FAMILY_HISTOGRAM,
      offsetof(ngx_ur_shard_snapshot_t, account.took),
      NULL, NULL, 0 },

    { "shard_connections", NULL,
      "Connections of workers to the database.",
      NGX_UR_FAMILY_SHARD, NGX_UR_FAMILY_GAUGE,
      offsetof(ngx_ur_shard_snapshot_t, connections[1]),
      "state", ngx_ur_snapshot_connections, NGX_UR_CONNECTIONS - 1 },

    { "shard_last_success_timestamp_seconds", "seconds",
      "When the database answered last.",
      NGX_UR_FAMILY_SHARD, NGX_UR_FAMILY_TIME,
      offsetof(ngx_ur_shard_snapshot_t, account.succeeded_at),
      NULL, NULL, 0 },

    { "shard_last_error_timestamp_seconds", "seconds",
      "When it failed last.",
      NGX_UR_FAMILY_SHARD, NGX_UR_FAMILY_TIME,
      offsetof(ngx_ur_shard_snapshot_t, account.failed_at),
      NULL, NULL, 0 },

    { NULL, NULL, NULL, 0, 0, 0, NULL, NULL, 0 }
};
