// Numbers and times as a person reads them.

'use strict';

const NOTHING = '–';

const GROUPED = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const DIGITS = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });
const ROUGH = new Intl.NumberFormat('en', { maximumSignificantDigits: 2 });
const UNITS = [[1e18, 'E'], [1e15, 'P'], [1e12, 'T'], [1e9, 'G'], [1e6, 'M']];

function number(count) {
    if (count === null || count === undefined) {
        return NOTHING;
    }

    if (count < 1e7) {
        return GROUPED.format(count);
    }

    const [unit, letter] = UNITS.find(([least]) => count >= least);

    return `${DIGITS.format(count / unit)} ${letter}`;
}

// To the last digit, where that is known.
function exact(count) {
    return count > 1e7 && Number.isSafeInteger(count)
        ? GROUPED.format(count) : null;
}

function perSecond(rate) {
    if (rate === null || rate === undefined) {
        return NOTHING;
    }

    return rate < 100 ? DIGITS.format(rate) : number(rate);
}

function percent(part, whole) {
    const share = whole > 0 ? 100 * part / whole : 0;

    if (share > 0 && share < 0.1) {
        return '< 0.1 %';
    }

    // What is not quite all is not 100 %.
    return `${(Math.floor(share * 10) / 10).toFixed(1)} %`;
}

const DAY = 86400;
const YEAR = 365.25 * DAY;

function duration(seconds) {
    if (seconds === null || seconds === undefined) {
        return NOTHING;
    }

    const s = Math.floor(seconds);
    const pair = (unit, name, part, small) => {
        const rest = Math.floor(s % unit / part);

        return `${Math.floor(s / unit)} ${name}`
            + (rest ? ` ${rest} ${small}` : '');
    };

    return seconds === 0 ? '0 s'
        : seconds < 0.001 ? '< 1 ms'
        : seconds < 1 ? `${ROUGH.format(seconds * 1000)} ms`
        : seconds < 10 ? `${ROUGH.format(seconds)} s`
        : seconds < 60 ? `${s} s`
        : seconds < 3600 ? pair(60, 'min', 1, 's')
        : seconds < DAY ? pair(3600, 'h', 60, 'min')
        : seconds < YEAR ? pair(DAY, 'd', 3600, 'h')
        : seconds < 1000 * YEAR ? `${number(seconds / YEAR)} years`
        : 'over 1,000 years';
}

// The largest unit will do.
function ago(time, now) {
    if (time === null || time === undefined) {
        return 'never';
    }

    const [count, unit] = duration(Math.max(0, Math.round(now - time)))
        .split(' ');

    return `${count} ${unit} ago`;
}

function moment(time) {
    const date = new Date(time * 1000);
    const two = part => String(part).padStart(2, '0');

    return [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())]
        .join('-') + ' '
        + [date.getHours(), date.getMinutes(), date.getSeconds()].map(two)
            .join(':');
}

function plural(count, one, many) {
    return `${number(count)} ${count === 1 ? one : many ?? `${one}s`}`;
}

function sum(counts) {
    return Object.values(counts).reduce((total, count) => total + count, 0);
}
