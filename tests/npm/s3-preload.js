'use strict';

// Loaded before s3rver. It answers listings in a namespace that is not S3's, in which MinIO's client finds nothing: http://doc.s3.amazonaws.com/2006-03-01/
// where S3 and MinIO say http://s3.amazonaws.com/doc/2006-03-01/. Both are of the same length, so the Content-Length stays right.
const { ServerResponse } = require('http');

const wrong = 'http://doc.s3.amazonaws.com/2006-03-01/';
const right = 'http://s3.amazonaws.com/doc/2006-03-01/';
const end = ServerResponse.prototype.end;

// Objects are streamed; only answers that s3rver writes itself end with a text.
ServerResponse.prototype.end = function (chunk, ...rest) {
  return end.call(this, typeof chunk === 'string' ? chunk.replace(wrong, right) : chunk, ...rest);
};
