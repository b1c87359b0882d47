'use strict';

// Loaded before s3rver. S3rver answers listings in a namespace that is not S3's, in which MinIO's client finds nothing: http://doc.s3.amazonaws.com/2006-03-01/
// where S3 and MinIO say http://s3.amazonaws.com/doc/2006-03-01/. Both are of the same length, so the Content-Length stays right.
const { ServerResponse } = require('http');

const wrong = 'http://doc.s3.amazonaws.com/2006-03-01/';
const right = 'http://s3.amazonaws.com/doc/2006-03-01/';
const end = ServerResponse.prototype.end;

// Objects are streamed; only answers that s3rver writes itself end with a text.
ServerResponse.prototype.end = function (chunk, ...rest) {
  return end.call(this, typeof chunk === 'string' ? chunk.replace(wrong, right) : chunk, ...rest);
};

// A listing's continuation token is encrypted with DES, which OpenSSL 3 has no more. Triple DES with one key three times is the same cipher.
const crypto = require('crypto');

for (const name of ['createCipheriv', 'createDecipheriv']) {
  const create = crypto[name];
  crypto[name] = (cipher, key, ...rest) => (cipher === 'des' ? create('des-ede3-cbc', Buffer.concat([key, key, key]), ...rest) : create(cipher, key, ...rest));
}
