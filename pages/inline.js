// Prints a page as one file: what its <link> and <script> name is put into it,
// and a policy that lets nothing else run, or be asked for.
//
// usage: node inline.js PAGE [FOLDER...]    where what it names is, too

'use strict';

const { createHash } = require('crypto');
const { existsSync, readFileSync } = require('fs');
const { dirname, join } = require('path');

const [page, ...folders] = process.argv.slice(2);
const hashes = { script: [], style: [] };

function read(name) {
    const path = [dirname(page), ...folders].map(folder => join(folder, name))
        .find(existsSync);

    if (!path) {
        throw new Error(`${page}: there is no ${name}`);
    }

    return readFileSync(path, 'utf8');
}

function element(tag, name) {
    const text = `\n${read(name).trim()}\n`;

    if (text.includes(`</${tag}`)) {
        throw new Error(`${name} would end its element`);
    }

    hashes[tag].push(createHash('sha256').update(text).digest('base64'));
    return `<${tag}>${text}</${tag}>`;
}

function policy() {
    const list = tag => hashes[tag].map(hash => `'sha256-${hash}'`).join(' ');

    return [
        "default-src 'none'",
        `script-src ${list('script')}`,
        `style-src ${list('style')}`,
        "connect-src 'self'", 'img-src data:',
        "base-uri 'none'", "form-action 'none'",
        "require-trusted-types-for 'script'", "trusted-types 'none'",
    ].join('; ');
}

// Where a replacement is a string, "$" in it has a meaning.
const html = readFileSync(page, 'utf8')
    .replace(/<link rel="stylesheet" href="([^"]*)">/g,
        (all, name) => element('style', name))
    .replace(/<script src="([^"]*)"><\/script>/g,
        (all, name) => element('script', name))
    .replace('<meta http-equiv="Content-Security-Policy" content="">',
        all => all.replace('""', `"${policy()}"`));

process.stdout.write(html);
