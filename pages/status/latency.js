// What a histogram tells: the median, and what 99 of 100 stay below.

'use strict';

const WINDOW = 300;
const SPACING = 10;

// Histograms as they were, so that the last minutes show by themselves.
const earlier = new Map();

// As if what is within a bucket were spread evenly; above the last bound all
// that is known is the bound.
function quantile(histogram, share) {
    const rank = share * histogram.count;
    let low = 0;
    let below = 0;

    for (const { le, count } of histogram.buckets) {
        if (count >= rank && count > below) {
            return le === null ? `> ${duration(low)}`
                : duration(low + (le - low) * (rank - below) / (count - below));
        }

        [low, below] = [le, count];
    }

    return NOTHING;
}

function difference(histogram, from) {
    return {
        count: histogram.count - from.count,
        buckets: histogram.buckets.map(({ le, count }, i) =>
            ({ le, count: count - from.buckets[i].count })),
    };
}

function remember(name, histogram, now) {
    let past = earlier.get(name) ?? [];

    // It began anew, with its zone.
    if (past.length && past.at(-1).histogram.count > histogram.count) {
        past = [];
    }

    if (!past.length || now - past.at(-1).time >= SPACING) {
        past.push({ time: now, histogram });
    }

    while (now - past[0].time > WINDOW) {
        past.shift();
    }

    earlier.set(name, past);
    return past[0];
}

// Those of the last minutes if there were any since the page is open.
function latency(name, histogram, now) {
    const first = remember(name, histogram, now);
    const recent = difference(histogram, first.histogram);
    const shown = recent.count > 0 ? recent : histogram;

    return {
        count: shown.count,
        median: quantile(shown, 0.5),
        p99: quantile(shown, 0.99),
        since: recent.count > 0
            ? `in the last ${duration(Math.round(now - first.time))}`
            : 'since the start',
    };
}
