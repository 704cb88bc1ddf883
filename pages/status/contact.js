// Asks for the state, again and again, and tells how old the last answer is.
// The page came with one; where a location has nothing but this page, each of
// them is in one.

'use strict';

const INTERVAL = 2000;
const PATIENCE = 4000;
const LOST = 6000;

// No parser of HTML is asked: what makes elements of a text is forbidden here.
const SNAPSHOT = /<script type="application\/json" id="snapshot">([^<]*)/;

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
        headers: { Accept: 'application/json, text/html;q=0.5' },
        cache: 'no-store',
        signal: AbortSignal.timeout(PATIENCE),
    }).catch(() => {
        throw new Error('the server does not answer');
    });

    if (!answer.ok) {
        throw new Error(`the server answers ${answer.status}`);
    }

    return answer.text().catch(() => {
        throw new Error('the server does not answer');
    });
}

// JSON itself has no such element: a string in it has "\u003c".
function read(text) {
    try {
        return JSON.parse(SNAPSHOT.exec(text)?.[1] ?? text);
    } catch {
        throw new Error('the server sends no JSON here');
    }
}

function take(text, draw) {
    const data = read(text);

    if (data.version !== 1) {
        throw new Error('the module has changed, reload this page');
    }

    if (data.now === contact.data?.now) {
        throw new Error('the server sends the same again and again');
    }

    draw(data);
    Object.assign(contact, { at: performance.now(), data, trouble: '' });
}

// The first text may be what the page came with.
async function poll(draw, showHead, text) {
    const begun = performance.now();

    try {
        take(text ?? await ask(), draw);
    } catch (error) {
        contact.trouble = error.message;
    }

    showHead();
    setTimeout(poll, Math.max(0, INTERVAL - (performance.now() - begun)), draw,
        showHead);
}
