// The ranges of a pool, the worst first, each with its cause and its cure.

'use strict';

const FEW = 20;

// What somebody has chosen, by the name of the pool.
const wanted = new Map();
const complete = new Set();

function isWanted(pool, range) {
    const text = `${range.range} ${range.shard} ${range.state}`.toLowerCase();

    return (wanted.get(pool.name) ?? '').toLowerCase().split(/\s+/)
        .every(word => text.includes(word));
}

function burnedBy(causes) {
    return Object.entries(causes).filter(([, count]) => count > 0)
        .map(([cause, count]) => `${cause} ${number(count)}`).join(', ');
}

function reservation(last, now) {
    return last ? [
        ago(last.time, now),
        h('small', null, `${number(last.size)} in ${duration(last.seconds)}`),
    ] : NOTHING;
}

function share(range) {
    const held = range.leased + range.batched;
    const used = range.size - range.remaining - held;

    return [
        bar(used, held, range.size),
        h('small', { class: 'share' },
            percent(range.size - range.remaining, range.size),
            ' of ', figure(range.size)),
    ];
}

const COLUMNS = [
    ['State', range => [
        h('span', { class: 'state' }, mark(rangeSign(range)), range.state),
        h('small', null, range.adopted ? 'adopted' : null),
    ]],
    ['Range', null],
    ['Shard', range => range.shard],
    ['Reserved', share],
    ['Left', range => figure(range.remaining), 'count'],
    ['Per second', range => perSecond(range.rate.minute), 'count'],
    ['Lasts', range => duration(forecast(range.exhausted_in_seconds)), 'count'],
    ['Issued', range => figure(range.issued), 'count'],
    ['Leased', range => figure(range.leased), 'count'],
    ['Batched', range => figure(range.batched), 'count'],
    ['Burned', range => [
        figure(sum(range.burned)), h('small', null, burnedBy(range.burned)),
    ], 'count'],
    ['Excluded', range => figure(range.excluded), 'count'],
    ['Given back', range => figure(range.given_back), 'count'],
    ['Last reservation', (range, now) =>
        reservation(range.last_reservation, now)],
];

function rangeRow(pool, range, now) {
    return row(COLUMNS, rangeId(pool, range), range.range,
        `state-${range.state} ${rangeSign(range)}`, range, now);
}

function cure(id, sql) {
    return h('div', { class: 'cure', 'data-key': 'cure' },
        h('pre', { tabindex: 0, 'aria-label': 'SQL to run' },
            h('code', { id: `sql-${id}` }, sql)),
        h('button', { type: 'button', 'data-copy': `sql-${id}` }, 'Copy SQL'));
}

// What is wrong, and what to do: below the row that it is about.
function causeRow(pool, range, now) {
    const id = rangeId(pool, range);
    const [sign, meaning, todo] = RANGE_STATES[range.state] ?? OTHER;

    if (!range.reason && !range.sql && sign !== 'critical'
        && sign !== 'warning') {
        return null;
    }

    return h('tr', {
        class: `cause ${sign}`, role: 'row', 'data-key': `${id}!`,
    },
    h('td', { role: 'cell', colspan: COLUMNS.length },
        h('p', null, h('b', null, 'Cause: '), range.reason ?? meaning,
            h('span', { class: 'quiet' },
                ` (${range.state} for ${duration(now - range.since)})`)),
        todo && h('p', null, h('b', null, 'Cure: '), todo, '.'),
        range.sql && cure(id, range.sql)));
}

function filterBox(pool, shown) {
    const { name, ranges } = pool;

    return h('div', { class: 'filter', 'data-key': 'filter' },
        h('label', { for: `filter-${name}` }, 'Filter'),
        h('input', {
            id: `filter-${name}`, type: 'search', 'data-filter': name,
            placeholder: 'range, shard or state', autocomplete: 'off',
        }),
        h('span', { role: 'status', class: 'quiet' },
            `${number(shown)} of ${number(ranges.length)}`));
}

function rangesTable(pool, now) {
    const all = worstFirst(pool.ranges.filter(range => isWanted(pool, range)),
        rangeSign);
    const shown = complete.has(pool.name) ? all : all.slice(0, FEW);

    return h('div', { class: 'list', 'data-key': 'ranges' },
        pool.ranges.length > 5 && filterBox(pool, all.length),
        table(`Ranges of ${pool.name}`, 'ranges', COLUMNS,
            shown.map(range => [
                rangeRow(pool, range, now), causeRow(pool, range, now),
            ])),
        shown.length < all.length && h('button', {
            type: 'button', class: 'more', 'data-complete': pool.name,
            'data-key': 'more',
        }, `Show all ${number(all.length)}`));
}
