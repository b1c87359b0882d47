using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.CompilerServices;
using Minio;
using Minio.DataModel.Args;
using Minio.Exceptions;

namespace PwWorkflows.Activities.Storage;

/// <summary>Keeps objects on a MinIO or other S3 server.</summary>
/// <remarks>
/// Every object is read back and compared after it was written: servers and clients have been seen to store other bytes than were sent
/// and to call that success.
/// </remarks>
public sealed class MinioObjectStore : IObjectStore, IDisposable
{
    private const string MetadataPrefix = "x-amz-meta-";

    private readonly IMinioClient _client;
    private readonly string _healthBucket;
    private readonly TimeSpan _timeout;
    private readonly TimeProvider _time;
    private readonly ConcurrentDictionary<string, bool> _buckets = new(StringComparer.Ordinal);

    /// <summary>Creates the store.</summary>
    public MinioObjectStore(ObjectStorageOptions options, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(options);
        _healthBucket = options.FilingsBucket;
        _timeout = options.Timeout;
        _time = time;
        _client = new MinioClient()
            .WithEndpoint(options.Endpoint)
            .WithCredentials(options.AccessKey, options.SecretKey)
            .WithRegion(options.Region)
            .WithSSL(options.UseSsl)
            .Build();
    }

    /// <inheritdoc />
    public async Task PutAsync(
        string bucket, string key, ReadOnlyMemory<byte> content, string contentType, IReadOnlyDictionary<string, string>? metadata, CancellationToken ct)
    {
        ObjectNames.Check(bucket, key);
        ArgumentException.ThrowIfNullOrEmpty(contentType);
        var written = await GuardAsync(bucket, key, "written", async token =>
        {
            await EnsureBucketAsync(bucket, token).ConfigureAwait(false);
            try
            {
                await PutOnceAsync(bucket, key, content, contentType, metadata, token).ConfigureAwait(false);
            }
            catch (BucketNotFoundException)
            {
                // It was there before, and somebody took it away since.
                _buckets.TryRemove(bucket, out _);
                await EnsureBucketAsync(bucket, token).ConfigureAwait(false);
                await PutOnceAsync(bucket, key, content, contentType, metadata, token).ConfigureAwait(false);
            }

            return true;
        }, ct).ConfigureAwait(false);
        if (!written) throw new ObjectStoreException($"{bucket}/{key} could not be written: the server says that there is no bucket {bucket}.");

        var back = await GetAsync(bucket, key, ct).ConfigureAwait(false);
        if (back is null || !back.Content.Span.SequenceEqual(content.Span))
            throw new ObjectStoreException($"{bucket}/{key} was written but reads back differently: {content.Length} bytes sent, {back?.Content.Length ?? 0} found.");
    }

    private async Task PutOnceAsync(
        string bucket, string key, ReadOnlyMemory<byte> content, string contentType, IReadOnlyDictionary<string, string>? metadata, CancellationToken ct)
    {
        using var stream = new MemoryStream(content.ToArray(), writable: false);
        var args = new PutObjectArgs().WithBucket(bucket).WithObject(key).WithStreamData(stream).WithObjectSize(content.Length).WithContentType(contentType);
        if (metadata is { Count: > 0 })
            args = args.WithHeaders(metadata.ToDictionary(static m => MetadataPrefix + m.Key.ToLowerInvariant(), static m => m.Value));
        await _client.PutObjectAsync(args, ct).ConfigureAwait(false);
    }

    /// <inheritdoc />
    public async Task<StoredObject?> GetAsync(string bucket, string key, CancellationToken ct)
    {
        ObjectNames.Check(bucket, key);
        return await GuardAsync(bucket, key, "read", async token =>
        {
            using var content = new MemoryStream();
            var args = new GetObjectArgs().WithBucket(bucket).WithObject(key).WithCallbackStream((stream, copyCt) => stream.CopyToAsync(content, copyCt));
            var stat = await _client.GetObjectAsync(args, token).ConfigureAwait(false);
            var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
            foreach (var (name, value) in stat.MetaData)
            {
                var lower = name.ToLowerInvariant();
                if (lower.StartsWith(MetadataPrefix, StringComparison.Ordinal)) metadata[lower[MetadataPrefix.Length..]] = value;
                else if (lower is not ("content-type" or "content-length" or "etag" or "last-modified")) metadata[lower] = value;
            }

            return new StoredObject(content.ToArray(), stat.ContentType, metadata);
        }, ct).ConfigureAwait(false);
    }

    /// <inheritdoc />
    public async Task<bool> ExistsAsync(string bucket, string key, CancellationToken ct)
    {
        ObjectNames.Check(bucket, key);
        return await GuardAsync(
            bucket,
            key,
            "looked up",
            async token => await _client.StatObjectAsync(new StatObjectArgs().WithBucket(bucket).WithObject(key), token).ConfigureAwait(false),
            ct).ConfigureAwait(false) is not null;
    }

    /// <inheritdoc />
    public async IAsyncEnumerable<string> ListAsync(string bucket, string prefix, [EnumeratorCancellation] CancellationToken ct)
    {
        ObjectNames.CheckBucket(bucket);
        ArgumentNullException.ThrowIfNull(prefix);
        var keys = await GuardAsync(bucket, prefix, "listed", async token =>
        {
            var found = new List<string>();
            if (!await _client.BucketExistsAsync(new BucketExistsArgs().WithBucket(bucket), token).ConfigureAwait(false)) return found;
            var args = new ListObjectsArgs().WithBucket(bucket).WithPrefix(prefix).WithRecursive(true);
            await foreach (var item in _client.ListObjectsEnumAsync(args, token).ConfigureAwait(false)) found.Add(item.Key);
            return found;
        }, ct).ConfigureAwait(false);
        foreach (var key in (keys ?? []).Order(StringComparer.Ordinal)) yield return key;
    }

    /// <inheritdoc />
    public async Task DeleteAsync(string bucket, string key, CancellationToken ct)
    {
        ObjectNames.Check(bucket, key);
        await GuardAsync(bucket, key, "removed", async token =>
        {
            await _client.RemoveObjectAsync(new RemoveObjectArgs().WithBucket(bucket).WithObject(key), token).ConfigureAwait(false);
            return true;
        }, ct).ConfigureAwait(false);
    }

    /// <inheritdoc />
    public async Task<bool> IsHealthyAsync(CancellationToken ct)
    {
        try
        {
            // Any answer about the bucket proves server and credentials; the bucket itself is made when first needed.
            return await GuardAsync(_healthBucket, "", "looked at", async token =>
            {
                _ = await _client.BucketExistsAsync(new BucketExistsArgs().WithBucket(_healthBucket), token).ConfigureAwait(false);
                return true;
            }, ct).ConfigureAwait(false);
        }
        catch (ObjectStoreException)
        {
            return false;
        }
    }

    /// <inheritdoc />
    public void Dispose() => _client.Dispose();

    private async Task EnsureBucketAsync(string bucket, CancellationToken ct)
    {
        if (_buckets.ContainsKey(bucket)) return;
        if (!await _client.BucketExistsAsync(new BucketExistsArgs().WithBucket(bucket), ct).ConfigureAwait(false))
        {
            try
            {
                await _client.MakeBucketAsync(new MakeBucketArgs().WithBucket(bucket), ct).ConfigureAwait(false);
            }
            catch (MinioException)
            {
                // Another node made it in between; anything else shows when the object is written.
                if (!await _client.BucketExistsAsync(new BucketExistsArgs().WithBucket(bucket), ct).ConfigureAwait(false)) throw;
            }
        }

        _buckets.TryAdd(bucket, true);
    }

    private async Task<T?> GuardAsync<T>(string bucket, string key, string what, Func<CancellationToken, Task<T>> call, CancellationToken ct)
    {
        using var timeout = new CancellationTokenSource(_timeout, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ct, timeout.Token);
        try
        {
            return await call(either.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (e is ObjectNotFoundException or BucketNotFoundException)
        {
            return default;
        }
        catch (Exception) when (ct.IsCancellationRequested)
        {
            ct.ThrowIfCancellationRequested();
            throw;
        }
        catch (Exception e)
        {
            // Whatever it is: the client lets out what its parsers throw at an answer that is not S3's.
            var why = timeout.IsCancellationRequested ? string.Create(CultureInfo.InvariantCulture, $"the server did not answer within {_timeout.TotalSeconds:0.#} s") : e.Message;
            throw new ObjectStoreException($"{bucket}/{key} could not be {what}: {why}", e);
        }
    }
}
