// What is not in order, the worst first, and where on the page it is.

'use strict';

const SOON = 3 * DAY;
const UNSAVED = 60;

function rangeId(pool, range) {
    return `range-${pool.name}-${range.range}`;
}

function shardId(pool, shard) {
    return `shard-${pool.name}-${shard.name}`;
}

function poolId(pool) {
    return `pool-${pool.name}`;
}

function forecast({ hour, day }) {
    return [hour, day].reduce((soonest, seconds) =>
        seconds !== null && (soonest === null || seconds < soonest)
            ? seconds : soonest, null);
}

function ofRanges(pool) {
    return pool.ranges.map(range => ({
        sign: rangeSign(range),
        text: `Range ${range.range} of ${pool.name} is ${range.state}`,
        more: range.reason,
        id: rangeId(pool, range),
    }));
}

function ofShards(pool) {
    return pool.shards.map(shard => ({
        sign: shardSign(shard),
        text: `Shard ${shard.name} of ${pool.name} is ${shard.state}`,
        more: shard.last_error?.text,
        id: shardId(pool, shard),
    }));
}

function ofPool(pool, now) {
    const list = [];
    const id = poolId(pool);
    const add = (sign, text, more) => list.push({ sign, text, more, id });
    const { zone, state_file: file } = pool;
    const left = forecast(pool.exhausted_in_seconds);

    // What is missing, or drained, is in no size.
    if (pool.size > 0 && pool.remaining + pool.leased + pool.batched === 0) {
        add('critical', `All numbers of ${pool.name} are used`,
            'add a range to the pool');
    } else if (left !== null && left < SOON) {
        add('warning', `Pool ${pool.name} lasts less than ${duration(SOON)}`,
            `${duration(left)} at the rate of the last hour or day: add a range`
                + ' in time');
    }

    if (file?.unsaved_ranges && now - (file.written ?? 0) > UNSAVED) {
        add('warning', `The state of ${pool.name} is not written`,
            'see the error log: the disk may be full, or not writable');
    }

    if (zone.free_ranges < 0.1 * (zone.ranges + zone.free_ranges)) {
        add('warning', `The zone of ${pool.name} is nearly full: room for`
            + ` ${plural(zone.free_ranges, 'more range')}`,
            'give the pool a larger zone');
    }

    return list;
}

function problems(data) {
    const all = [];

    for (const pool of data.pools) {
        const list = [
            ...ofPool(pool, data.now), ...ofRanges(pool), ...ofShards(pool),
        ].filter(({ sign }) => sign === 'critical' || sign === 'warning');

        // The module may know more than this page.
        if (ORDER.includes(pool.state) && pool.state !== 'ok'
            && !list.some(({ sign }) => sign === pool.state)) {
            list.push({
                sign: pool.state, id: poolId(pool),
                text: pool.state === 'critical'
                    ? `Pool ${pool.name} can issue nothing at present`
                    : `Pool ${pool.name} needs a look`,
            });
        }

        all.push(...list);
    }

    return worstFirst(all, ({ sign }) => sign);
}
