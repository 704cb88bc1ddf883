// Tables, whose rows become cards where there is no room: hence the roles,
// which browsers forget of a table that is displayed otherwise, and the labels.

'use strict';

// A column: its label, what a cell of it has, and its class; the second column
// is the name of the row.
function row(columns, id, name, state, ...item) {
    return h('tr', {
        id, class: `item ${state}`, role: 'row', tabindex: -1, 'data-key': id,
    }, columns.map(([label, content, kind]) => content
        ? h('td', { class: kind, role: 'cell', 'data-label': label },
            content(...item))
        : h('th', { role: 'rowheader', scope: 'row' }, name)));
}

function table(caption, kind, columns, rows) {
    return h('div', {
        class: 'scroll', role: 'region', tabindex: 0, 'aria-label': caption,
        'data-key': caption,
    }, h('table', { class: `live ${kind}`, role: 'table' },
        h('caption', null, caption),
        h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' },
            columns.map(([label, , alignment]) => h('th', {
                class: alignment, role: 'columnheader', scope: 'col',
            }, label)))),
        h('tbody', { role: 'rowgroup' }, rows)));
}
