// Numbers per second over the last minutes, drawn by uPlot.

'use strict';

const HEIGHT = 150;

const plots = new Map();

const colour = name =>
    getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function points({ step_seconds: step, issued }, now) {
    return [
        issued.map((count, i) => now - step * (issued.length - 1 - i)),
        issued.map(count => count / step),
    ];
}

function axis(more) {
    return {
        stroke: () => colour('--quiet'),
        grid: { stroke: () => colour('--line'), width: 1 },
        ticks: { show: false },
        font: '12px system-ui, sans-serif',
        ...more,
    };
}

function clock(time) {
    return moment(time).slice(-8);
}

function options(width, say) {
    return {
        width, height: HEIGHT,
        legend: { show: false },
        cursor: { y: false, drag: { x: false, y: false } },
        scales: { y: { range: (plot, low, high) => [0, (high || 1) * 1.15] } },
        axes: [
            axis({
                space: 80, size: 28,
                values: (plot, times) => times.map(clock),
            }),
            axis({
                space: 35, size: 56,
                values: (plot, rates) => rates.map(perSecond),
            }),
        ],
        series: [{}, {
            width: 2,
            stroke: () => colour('--accent'),
            fill: () => colour('--accent-soft'),
            points: { show: false },
        }],
        hooks: {
            setCursor: [({ cursor: { idx }, data }) => say(idx === null ? ''
                : `${perSecond(data[1][idx])} per second at`
                    + ` ${clock(data[0][idx])}`)],
        },
    };
}

function makePlot(host, data) {
    const readout = host.closest('figure').querySelector('.readout');
    const plot = new uPlot(options(host.clientWidth,
        text => { readout.textContent = text; }), data, host);

    new ResizeObserver(() => {
        plot.setSize({ width: host.clientWidth, height: HEIGHT });
    }).observe(host);

    return plot;
}

function drawCurve(pool, now) {
    const host = document.getElementById(`curve-${pool.name}`);

    if (!host) {
        plots.delete(pool.name);
        return;
    }

    const data = points(pool.history, now);
    const there = plots.get(pool.name);

    if (there?.root.isConnected) {
        there.setData(data);
    } else {
        plots.set(pool.name, makePlot(host, data));
    }
}

matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
    plots.forEach(plot => plot.redraw());
});

function curve(pool) {
    if (!pool.history?.issued.length) {
        return h('p', { class: 'quiet', 'data-key': 'no-curve' },
            'No numbers were counted yet.');
    }

    const { step_seconds: step, issued } = pool.history;
    const rates = issued.map(count => count / step);
    const said = `Numbers per second over the last`
        + ` ${duration(step * issued.length)}: between`
        + ` ${perSecond(Math.min(...rates))} and`
        + ` ${perSecond(Math.max(...rates))}, last ${perSecond(rates.at(-1))}`;

    return h('figure', { class: 'curve', 'data-key': 'curve' },
        h('figcaption', null,
            h('span', null, 'Numbers per second, last '
                + duration(step * issued.length)),
            h('span', { class: 'readout', 'data-own': true })),
        h('div', { role: 'img', 'aria-label': said },
            h('div', {
                id: `curve-${pool.name}`, class: 'plot', 'data-own': true,
            })));
}
