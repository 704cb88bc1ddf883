// The shards of a pool: their health, and how fast they reserve.

'use strict';

// One column for each bucket; the figures beside it say what matters of it.
function histogram({ buckets, count }) {
    const counts = buckets.map((bucket, i) =>
        bucket.count - (i ? buckets[i - 1].count : 0));
    const most = Math.max(...counts, 1);

    return svg('svg', {
        class: 'histogram', viewBox: `0 0 ${6 * counts.length} 20`,
        preserveAspectRatio: 'xMinYMax', 'aria-hidden': 'true',
    }, counts.map((part, i) => {
        const height = part ? Math.max(2, 18 * part / most) : 0.5;

        return svg('rect', { x: 6 * i, y: 20 - height, width: 5, height });
    }));
}

function latencyCell(pool, shard, now) {
    const { count, median, p99, since }
        = latency(`${pool.name} ${shard.name}`, shard.latency, now);

    return count ? [
        h('span', { class: 'pair' }, `${median} / ${p99}`),
        histogram(shard.latency),
        h('small', null, `${number(count)} ${since}`),
    ] : 'none yet';
}

function lastError(error, now) {
    return error ? [
        h('span', { class: 'message' }, error.text),
        h('small', null, ago(error.time, now)),
    ] : 'none';
}

const SHARD_COLUMNS = [
    ['State', (shard, now, pool) => [
        h('span', { class: 'state' }, mark(shardSign(shard)),
            shard.state),
        shard.fails > 0 && h('small', null, `${number(shard.fails)} in a row`),
    ]],
    ['Shard', null],
    ['Latency, median / p99', (shard, now, pool) =>
        latencyCell(pool, shard, now)],
    ['Reservations', shard => figure(shard.reservations), 'count'],
    ['Failed', shard => figure(shard.failures), 'count'],
    ['Connections', ({ connections: { idle, busy, connecting } }) =>
        `${idle} idle, ${busy} busy`
            + (connecting ? `, ${connecting} connecting` : '')],
    ['Last success', (shard, now) => ago(shard.last_success, now)],
    ['Last error', (shard, now) => lastError(shard.last_error, now)],
];

function shardRow(pool, shard, now) {
    return row(SHARD_COLUMNS, shardId(pool, shard), shard.name,
        `state-${shard.state} ${shardSign(shard)}`, shard, now, pool);
}

function shardsTable(pool, now) {
    const shards = worstFirst(pool.shards, shard => shardSign(shard));

    return h('div', { class: 'list', 'data-key': 'shards' },
        table(`Shards of ${pool.name}`, 'shards', SHARD_COLUMNS,
            shards.map(shard => shardRow(pool, shard, now))));
}
