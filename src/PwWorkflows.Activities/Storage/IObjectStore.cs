namespace PwWorkflows.Activities.Storage;

/// <summary>An object read from the store.</summary>
/// <param name="Content">All its bytes.</param>
/// <param name="ContentType">Its media type as given when it was written.</param>
/// <param name="Metadata">What was written beside it; names are lower case.</param>
public sealed record StoredObject(ReadOnlyMemory<byte> Content, string ContentType, IReadOnlyDictionary<string, string> Metadata);

/// <summary>Where documents, evidence and browser sessions are kept: a MinIO (S3) server or a local folder.</summary>
/// <remarks>
/// Keys are paths with forward slashes such as <c>filings/fcc-499a/CO-1A2B3C4D/evidence/manifest.json</c>. Bucket names follow
/// S3: 3 to 63 characters of lower case letters, digits, dots and hyphens. A bucket is made when first written to.
/// A bad bucket name or key is an <see cref="ArgumentException"/>; a store that can't be reached or breaks its word is an
/// <see cref="ObjectStoreException"/>.
/// </remarks>
public interface IObjectStore
{
    /// <summary>Writes an object, replacing what was there; when the call returns, the bytes are kept and have been checked.</summary>
    Task PutAsync(string bucket, string key, ReadOnlyMemory<byte> content, string contentType, IReadOnlyDictionary<string, string>? metadata, CancellationToken ct);

    /// <summary>Reads an object; <c>null</c> when there is none.</summary>
    Task<StoredObject?> GetAsync(string bucket, string key, CancellationToken ct);

    /// <summary>Whether there is an object of that key.</summary>
    Task<bool> ExistsAsync(string bucket, string key, CancellationToken ct);

    /// <summary>The keys that begin with a prefix, in ordinal order; none when the bucket is not there.</summary>
    IAsyncEnumerable<string> ListAsync(string bucket, string prefix, CancellationToken ct);

    /// <summary>Removes an object; nothing happens when there is none.</summary>
    Task DeleteAsync(string bucket, string key, CancellationToken ct);

    /// <summary>Whether the store answers. Never throws but for cancellation.</summary>
    Task<bool> IsHealthyAsync(CancellationToken ct);
}

/// <summary>The object store could not be reached, refused, or gave back other bytes than were written.</summary>
public sealed class ObjectStoreException : Exception
{
    /// <summary>Creates the exception.</summary>
    public ObjectStoreException() { }

    /// <summary>Creates the exception with what happened.</summary>
    public ObjectStoreException(string message) : base(message) { }

    /// <summary>Creates the exception with what happened and the error from outside.</summary>
    public ObjectStoreException(string message, Exception innerException) : base(message, innerException) { }
}
