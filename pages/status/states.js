// What each state means: how bad it is, and what is to be done.

'use strict';

const octagon = 'M5 1h6l4 4v6l-4 4H5l-4-4V5Z';
const disc = 'M8 1a7 7 0 1 0 0 14A7 7 0 1 0 8 1Z';

// Shape and colour say the same.  The colours are those of the favicon.
const SIGNS = {
    critical: {
        word: 'Critical', colour: '#d1242f',
        path: octagon + 'M5.2 4 8 6.8 10.8 4 12 5.2 9.2 8 12 10.8 10.8 12 8 9.2'
            + ' 5.2 12 4 10.8 6.8 8 4 5.2Z',
    },
    warning: {
        word: 'Warning', colour: '#bf7a00',
        path: 'M8 .8 15.8 15H.2ZM7.1 5.6h1.8v4.8H7.1ZM7.1 11.5h1.8v1.8H7.1Z',
    },
    ok: {
        word: 'In order', colour: '#1a8754',
        path: disc + 'M3.9 8.3 5.2 7 7.1 8.9 10.9 5.1 12.2 6.4 7.1 11.5Z',
    },
    rest: {
        word: 'At rest', colour: '#6b7785',
        path: 'M8 1.5a6.5 6.5 0 1 0 0 13A6.5 6.5 0 1 0 8 1.5Z'
            + 'M8 3.5a4.5 4.5 0 1 1 0 9A4.5 4.5 0 1 1 8 3.5Z',
    },
    lost: {
        word: 'Contact lost', colour: '#6b7785',
        path: disc + 'M8 3a5 5 0 1 1 0 10A5 5 0 1 1 8 3Z'
            + 'M4.6 10.3 10.3 4.6 11.4 5.7 5.7 11.4Z',
    },
};

const ORDER = ['critical', 'warning', 'ok', 'rest'];

const RANGE_STATES = {
    active: ['ok', 'numbers are reserved from it', ''],
    fenced: ['critical', 'its database may have forgotten what it granted:'
        + ' nothing is issued from it',
        'find out how far the lost database had got, then run the SQL in the'
        + ' database that is to go on'],
    stale: ['critical', 'the host that answers has an earlier life of it',
        'take that host out of the line of the shard'],
    failing: ['warning', 'its shard fails; what is leased is issued',
        'see the last error of the shard'],
    deferred: ['warning', 'its database cannot grant safely for now',
        'nothing, it goes on by itself; or mend what the reason names'],
    missing: ['warning', 'it is not in its database, or must not be seen',
        'if it is the right database, run the SQL there, after'
        + ' sql/schema.sql where it has no schema; or mend the rights or the'
        + ' line of the shard'],
    mismatch: ['warning', 'it is another one in its database',
        'configure it as it is there'],
    unknown: ['rest', 'its database was not asked yet', ''],
    exhausted: ['rest', 'all its numbers are used', 'add a range in time'],
    closed: ['rest', 'it has ended here: moved away',
        'configure it where it is now'],
    drained: ['rest', 'configured so: what is leased is issued, no more', ''],
    down: ['rest', 'configured so: nothing is issued', ''],
};

const SHARD_STATES = {
    available: ['ok', 'it answers', ''],
    failing: ['warning', 'the last attempts failed, and it is asked again',
        'mend what the last error names'],
    unavailable: ['critical', 'it has failed so often that it is left alone for'
        + ' a while',
        'mend what the last error names'],
    drained: ['rest', 'configured so: nothing is reserved', ''],
    down: ['rest', 'configured so: it is not asked', ''],
};

const OTHER = ['warning', 'this page does not know it', ''];

function rangeSign(range) {
    return (RANGE_STATES[range.state] ?? OTHER)[0];
}

function shardSign(shard) {
    return (SHARD_STATES[shard.state] ?? OTHER)[0];
}

function worstFirst(list, sign) {
    return [...list].sort((one, other) =>
        ORDER.indexOf(sign(one)) - ORDER.indexOf(sign(other)));
}

function favicon(sign) {
    const { colour, path } = SIGNS[sign];

    return 'data:image/svg+xml,' + encodeURIComponent(
        `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><path`
        + ` fill="${colour}" fill-rule="evenodd" d="${path}"/></svg>`);
}
