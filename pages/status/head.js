// The head of the page, the title and the icon: the worst of all, and how old
// that is.

'use strict';

const NAME = 'Unique random numbers';

const element = id => document.getElementById(id);

function headline([first, ...others]) {
    return !first ? 'nothing needs you'
        : first.text + (others.length ? `, and ${number(others.length)} more`
            : '');
}

function ageText() {
    if (!contact.data) {
        return contact.trouble || 'asking';
    }

    const text = `${duration(Math.floor(age() / 1000))} old`;

    return contact.trouble ? `${text}: ${contact.trouble}` : text;
}

function lostText() {
    return contact.data
        ? `All below is as of ${moment(contact.data.now)}.`
        : 'There was no data since this page was loaded.';
}

// Undefined as long as nothing is known.
function worst() {
    const state = contact.data?.state;

    return isLost() ? 'lost' : !state || state in SIGNS ? state : 'warning';
}

function head(sign, list) {
    return h('header', { id: 'top', class: `top ${sign ?? ''}` },
        h('h1', null, NAME),
        h('p', { class: 'verdict' }, sign && [
            mark(sign), h('strong', null, SIGNS[sign].word),
            !isLost() && h('span', null, headline(list)),
        ]),
        h('p', { class: 'age' }, ageText()),
        isLost() && h('p', { class: 'since' }, lostText()));
}

let told = '';

// For who does not see the page: it is read aloud when it changes.
function tell(text) {
    if (text !== told) {
        element('news').textContent = told = text;
    }
}

function tellBrowser(sign) {
    const title = `${SIGNS[sign].word} – ${NAME}`;

    if (document.title !== title) {
        document.title = title;
        document.querySelector('link[rel="icon"]').href = favicon(sign);
    }
}

function showHead() {
    const sign = worst();
    const list = contact.data ? problems(contact.data) : [];

    patch(element('top'), head(sign, list));
    document.body.classList.toggle('stale', isLost());

    if (sign) {
        tell(isLost() ? `Contact lost. ${lostText()}`
            : `${SIGNS[sign].word}: ${headline(list)}.`);
        tellBrowser(sign);
    }
}
