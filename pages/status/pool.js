// A pool: how full it is, how long it lasts, and what its numbers are doing.

'use strict';

function filling(pool) {
    const { size, remaining, leased, batched } = pool;
    const held = leased + batched;
    const used = Math.max(0, size - remaining - held);

    return h('div', { class: 'filling', 'data-key': 'filling' },
        bar(used, held, size),
        h('p', { class: 'key' },
            h('span', { class: 'used' }, 'used ', figure(used), ', ',
                percent(used, size)),
            h('span', { class: 'held' }, 'held here ', figure(held)),
            h('span', { class: 'left' }, 'left ', figure(remaining), ', ',
                percent(remaining, size)),
            h('span', null, 'of ', figure(size))));
}

function tile(label, value, ...details) {
    return h('div', { class: 'tile', 'data-key': label },
        h('dt', null, label),
        h('dd', null, h('span', { class: 'value' }, value),
            h('small', null, details)));
}

function lasting({ exhausted_in_seconds: { hour, day } }) {
    return hour === null && day === null ? 'not known yet'
        : `at the rate of the last hour; of the last day: ${duration(day)}`;
}

function waiting(pool, now) {
    const { count, median, p99, since } = latency(pool.name, pool.waits, now);

    return tile('Waiting now', number(pool.waiting.now),
        `of at most ${number(pool.waiting.limit)}`,
        pool.waiting.now > 0
            && `, the oldest for ${duration(pool.waiting.oldest_seconds)}`,
        h('br'), count
            ? `median ${median}, p99 ${p99} of ${number(count)} ${since}`
            : 'nobody had to wait');
}

function stateFile({ state_file: file }, now) {
    return file && tile('Kept on disk', ago(file.written, now),
        file.unsaved_ranges
            ? `${plural(file.unsaved_ranges, 'range')} not written yet`
            : 'all is written');
}

function inAll(pool, count) {
    return pool.ranges.reduce((total, range) => total + count(range), 0);
}

function causes(pool) {
    const all = {};

    for (const { burned } of pool.ranges) {
        for (const [cause, count] of Object.entries(burned)) {
            all[cause] = (all[cause] ?? 0) + count;
        }
    }

    return all;
}

function tiles(pool, now) {
    const { rate, requests, zone } = pool;
    const burned = causes(pool);

    return h('dl', { class: 'tiles', 'data-key': 'tiles' },
        tile('Lasts', duration(pool.exhausted_in_seconds.hour),
            lasting(pool)),
        tile('Per second', perSecond(rate.seconds),
            `minute ${perSecond(rate.minute)}, hour ${perSecond(rate.hour)},`
                + ` day ${perSecond(rate.day)}`),
        waiting(pool, now),
        tile('Issued', figure(pool.issued),
            `requests: ${number(requests.leased)} at once,`
                + ` ${number(requests.waited)} after a wait`),
        tile('Refused', figure(requests.exhausted + requests.unavailable),
            `${number(requests.unavailable)} not in time,`
                + ` ${number(requests.exhausted)} all used`),
        tile('Leased', figure(pool.leased), 'and ', figure(pool.batched),
            ' batched by workers'),
        tile('Burned', figure(sum(burned)), burnedBy(burned)
            || 'none was lost'),
        tile('Excluded', figure(pool.excluded), 'passed over by this nginx'),
        tile('Given back', figure(inAll(pool, range => range.given_back)),
            'by this nginx; ', figure(pool.returned), ' wait in the databases'),
        stateFile(pool, now),
        tile('Zone', plural(zone.ranges, 'range'),
            `room for ${number(zone.free_ranges)} more, made `
                + ago(zone.created, now)));
}

function badge(sign) {
    return h('span', { class: `badge ${sign}` }, mark(sign), SIGNS[sign].word);
}

function poolSection(pool, now) {
    const id = poolId(pool);

    return h('section', {
        class: 'pool', 'data-key': id, 'aria-labelledby': id,
    },
    h('h2', { id, tabindex: -1 }, `Pool ${pool.name} `, badge(pool.state)),
    filling(pool),
    tiles(pool, now),
    curve(pool),
    rangesTable(pool, now),
    shardsTable(pool, now));
}
