// A file of its own, since the Content-Security-Policy of docs.conf lets no
// script within the page run.

'use strict';

SwaggerUIBundle({
    // Look-ups are for others, and have a description of their own.
    url: location.pathname === '/docs/lookup' ? '/openapi-lookup.json'
                                              : '/openapi.json',
    dom_id: '#page',
    deepLinking: true,

    // It would send the address of this page to a host elsewhere.
    validatorUrl: null,
});
