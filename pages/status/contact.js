// Asks for the state, again and again, and tells how old the last answer is.

'use strict';

const INTERVAL = 2000;
const PATIENCE = 4000;
const LOST = 6000;

const contact = {
    at: performance.now(),
    data: null,
    trouble: '',
};

// Since the last answer that was news: a cache has old ones.
function age() {
    return performance.now() - contact.at;
}

function isLost() {
    return age() > LOST;
}

async function ask() {
    const answer = await fetch(location.pathname, {
        headers: { Accept: 'application/json' },
        cache: 'no-store',
        signal: AbortSignal.timeout(PATIENCE),
    }).catch(() => {
        throw new Error('the server does not answer');
    });

    if (!answer.ok) {
        throw new Error(`the server answers ${answer.status}`);
    }

    const data = await answer.json().catch(() => {
        throw new Error('the server sends no JSON here');
    });

    if (data.version !== 1) {
        throw new Error('the module has changed, reload this page');
    }

    if (data.now === contact.data?.now) {
        throw new Error('the server sends the same again and again');
    }

    return data;
}

async function poll(draw, showHead) {
    const begun = performance.now();

    try {
        const data = await ask();

        draw(data);
        Object.assign(contact, { at: performance.now(), data, trouble: '' });
    } catch (error) {
        contact.trouble = error.message;
    }

    showHead();
    setTimeout(poll, Math.max(0, INTERVAL - (performance.now() - begun)), draw,
        showHead);
}
