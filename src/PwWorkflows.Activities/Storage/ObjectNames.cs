using System.Text;

namespace PwWorkflows.Activities.Storage;

/// <summary>The rules for bucket names and keys, the same for every store, so that what works on a folder works on S3.</summary>
internal static class ObjectNames
{
    public static void Check(string bucket, string key)
    {
        CheckBucket(bucket);
        ArgumentException.ThrowIfNullOrEmpty(key);
        if (Encoding.UTF8.GetByteCount(key) > 1024) throw new ArgumentException("A key has at most 1024 bytes.", nameof(key));
        foreach (var segment in key.Split('/'))
        {
            if (segment is "" or "." or ".." || segment.Length > 200 || segment.AsSpan().ContainsAny('\\', '\0') || segment.Any(char.IsControl))
                throw new ArgumentException($"'{key}' is no key: expected path segments of 1 to 200 characters without '.', '..', backslash or control characters.", nameof(key));
        }
    }

    public static void CheckBucket(string bucket)
    {
        ArgumentException.ThrowIfNullOrEmpty(bucket);
        var ok = bucket.Length is >= 3 and <= 63
            && bucket.All(static c => c is (>= 'a' and <= 'z') or (>= '0' and <= '9') or '-' or '.')
            && char.IsAsciiLetterOrDigit(bucket[0]) && char.IsAsciiLetterOrDigit(bucket[^1])
            && !bucket.Contains("..", StringComparison.Ordinal);
        if (!ok) throw new ArgumentException($"'{bucket}' is no bucket name: expected 3 to 63 lower case letters, digits, dots and hyphens.", nameof(bucket));
    }
}
