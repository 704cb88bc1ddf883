// What the words and signs of this page mean.

'use strict';

const WORDS = [
    ['Used', 'issued, excluded, burned, or held by another nginx'],
    ['Held here', 'leased and batched by this nginx'],
    ['Left', 'in the databases, to be reserved'],
    ['Reserved', 'no more to be had from the database'],
    ['Leased', 'reserved by this nginx, and still to be issued'],
    ['Batched', 'taken out of a lease by a worker, and still to be issued'],
    ['Issued', 'given to requests by this nginx'],
    ['Burned', 'given up for ever, so that none is issued twice. lost: the'
        + ' reply did not arrive whole; killed: with a worker; fenced: with'
        + ' their range; life: leased before accept(); skipped: could not be'
        + ' put back'],
    ['Excluded', 'passed over by this nginx, since the configuration excludes'
        + ' them; they do not come back'],
    ['Given back', 'returned to the database when nginx stopped, to be'
        + ' reserved again'],
    ['Lasts', 'until the last number, at the rate of the last hour, or day;'
        + ' of a range the shorter one'],
    ['Median, p99', 'half, and 99 of 100, took no longer. Estimated from a'
        + ' histogram, as if what is in a bucket were spread evenly; of the'
        + ' last 5 minutes if this page has seen some, else since the start'],
    ['M, G, T, P, E', 'millions, 10⁹, 10¹², 10¹⁵, 10¹⁸. – means: not known'],
];

function states(title, list) {
    return h('section', { 'data-key': title },
        h('h3', null, title),
        h('dl', null, Object.entries(list).map(([state, [sign, means, todo]]) =>
            h('div', { 'data-key': state },
                h('dt', null, mark(sign), state),
                h('dd', null, means, todo && `; ${todo}`)))));
}

function signs() {
    return h('p', { class: 'signs', 'data-key': 'signs' },
        Object.entries(SIGNS).map(([sign, { word }]) =>
            h('span', { class: 'state' }, mark(sign), word)));
}

function about({ build, process_started: started, config_loaded: loaded,
    config_loads: loads, now }) {
    return h('p', { class: 'quiet', 'data-key': 'about' },
        `Module ${build.module}, ${build.nginx}, libpq ${build.libpq},`
            + ` ${build.openssl}. Started ${ago(started, now)}, configuration`
            + ` read ${ago(loaded, now)}, ${plural(loads, 'time')} in all.`
            + ` Counts are those of this nginx, since its zone was made.`);
}

function legend(data) {
    return h('section', {
        class: 'legend', 'aria-labelledby': 'legend', 'data-key': 'legend',
    },
    h('h2', { id: 'legend' }, 'Legend'),
    signs(),
    h('div', { class: 'columns' },
        states('Ranges', RANGE_STATES),
        states('Shards', SHARD_STATES),
        h('section', { 'data-key': 'words' },
            h('h3', null, 'Words'),
            h('dl', null, WORDS.map(([word, means]) =>
                h('div', { 'data-key': word },
                    h('dt', null, word), h('dd', null, means)))))),
    about(data));
}
