// The page: drawn anew with each answer, its head each second, too.

'use strict';

const MANY = 8;

function attention(list) {
    return list.length > 0 && h('section', {
        class: 'attention', 'data-key': 'attention',
        'aria-labelledby': 'attention',
    },
    h('h2', { id: 'attention' }, 'Needs attention'),
    h('ul', null, list.slice(0, MANY).map(({ sign, text, more, id }) =>
        h('li', { class: sign, 'data-key': `${id} ${text}` },
            mark(sign),
            h('span', null,
                h('span', { class: 'unseen' }, `${SIGNS[sign].word}: `),
                h('a', { href: `#${encodeURIComponent(id)}`, 'data-goto': id },
                    text),
                more && h('small', null, more))))),
    list.length > MANY && h('p', { class: 'quiet' },
        `and ${number(list.length - MANY)} more, below`));
}

// Nobody sees it behind other pages, and it may be long.
function draw(data) {
    if (document.hidden) {
        return;
    }

    patch(element('page'), h('main', { id: 'page' },
        attention(problems(data)),
        data.pools.map(pool => poolSection(pool, data.now)),
        legend(data)));
    data.pools.forEach(pool => drawCurve(pool, data.now));
}

async function copy(button) {
    const code = element(button.dataset.copy);

    // Only where the page came encrypted is there a clipboard to write to.
    try {
        await navigator.clipboard.writeText(code.textContent);
    } catch {
        getSelection().selectAllChildren(code);
        document.execCommand('copy');
    }

    button.textContent = 'Copied';
    element('news').textContent = 'The SQL is copied.';
}

function goTo(id) {
    wanted.clear();
    document.querySelectorAll('[data-filter]')
        .forEach(input => { input.value = ''; });
    draw(contact.data);

    element(id)?.focus({ preventScroll: true });
    element(id)?.scrollIntoView({ block: 'center' });
}

document.addEventListener('click', event => {
    const target = event.target.closest('[data-copy], [data-goto],'
        + ' [data-complete]');

    if (target?.dataset.copy) {
        copy(target);
    } else if (target?.dataset.complete) {
        complete.add(target.dataset.complete);
        draw(contact.data);
    } else if (target) {
        event.preventDefault();
        goTo(target.dataset.goto);
    }
});

document.addEventListener('input', ({ target }) => {
    if (target.dataset.filter) {
        wanted.set(target.dataset.filter, target.value);
        draw(contact.data);
    }
});

document.addEventListener('visibilitychange', () => {
    if (contact.data) {
        draw(contact.data);
    }
});

setInterval(showHead, 1000);
poll(draw, showHead, element('snapshot')?.textContent);
