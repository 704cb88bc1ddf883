// Elements are made anew with each answer, and what differs is taken over into
// the page: focus, selection and what is read aloud stay where they are.
//
// Text gets into the page as text only.

'use strict';

const SVG = 'http://www.w3.org/2000/svg';

function fill(node, attributes, children) {
    for (const [name, value] of Object.entries(attributes ?? {})) {
        if (value !== null && value !== undefined && value !== false) {
            node.setAttribute(name, value === true ? '' : value);
        }
    }

    node.append(...children.flat(Infinity)
        .filter(child => child !== null && child !== undefined
            && child !== false));
    return node;
}

function h(name, attributes, ...children) {
    return fill(document.createElement(name), attributes, children);
}

function svg(name, attributes, ...children) {
    return fill(document.createElementNS(SVG, name), attributes, children);
}

function same(node) {
    return `${node.nodeName} ${node.dataset?.key ?? ''}`;
}

function patchAttributes(from, to) {
    for (const { name } of [...from.attributes]) {
        if (!to.hasAttribute(name)) {
            from.removeAttribute(name);
        }
    }

    for (const { name, value } of to.attributes) {
        if (from.getAttribute(name) !== value) {
            from.setAttribute(name, value);
        }
    }
}

function patchChildren(from, to) {
    const there = new Map();

    for (const child of from.childNodes) {
        const name = same(child);

        there.set(name, [...there.get(name) ?? [], child]);
    }

    const children = [...to.childNodes].map(child => {
        const old = there.get(same(child))?.shift();

        return old ? patch(old, child) : child;
    });

    [...there.values()].flat().forEach(child => child.remove());

    let next = from.firstChild;

    for (const child of children) {
        if (child === next) {
            next = next.nextSibling;
        } else {
            from.insertBefore(child, next);
        }
    }
}

// With "data-own" an element's content is left to whoever fills it.
function patch(from, to) {
    if (from.isEqualNode(to)) {
        return from;
    }

    if (from.nodeType !== Node.ELEMENT_NODE) {
        from.data = to.data;
        return from;
    }

    if (!from.hasAttribute('data-own')) {
        patchAttributes(from, to);
        patchChildren(from, to);
    }

    return from;
}

// Beside a word that says the same.
function mark(sign) {
    return svg('svg', {
        class: `mark ${sign}`, viewBox: '0 0 16 16', 'aria-hidden': 'true',
    }, svg('path', { d: SIGNS[sign].path, 'fill-rule': 'evenodd' }));
}

// A number in few digits, and all of them where somebody points at it.
function figure(count) {
    return h('data', { value: count, title: exact(count) }, number(count));
}

// Used, held and left; the same in words is beside it.
function bar(used, held, size) {
    const width = part => size > 0 ? Math.max(0, 100 * part / size) : 0;

    return svg('svg', {
        class: 'bar', viewBox: '0 0 100 10', preserveAspectRatio: 'none',
        'aria-hidden': 'true',
    },
    svg('rect', { class: 'used', width: width(used), height: 10 }),
    svg('rect', {
        class: 'held', x: width(used), width: width(held), height: 10,
    }));
}
