using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace PwWorkflows.Activities.Storage;

/// <summary>Keeps objects as plain files: <c>&lt;root&gt;/&lt;bucket&gt;/&lt;key&gt;</c>, media type and metadata under <c>&lt;root&gt;/.metadata</c>.</summary>
/// <remarks>A file is written under a temporary name, brought to the disk, then renamed: a reader sees the old bytes or the new ones.</remarks>
public sealed class FolderObjectStore : IObjectStore
{
    private readonly string _root;

    /// <summary>Creates the store.</summary>
    /// <param name="root">Folder that holds everything; made when missing.</param>
    public FolderObjectStore(string root)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(root);
        _root = Path.GetFullPath(root);
        Directory.CreateDirectory(_root);
    }

    private sealed record Properties(string ContentType, Dictionary<string, string> Metadata);

    /// <summary>The file that holds an object, whether it exists or not.</summary>
    public string PathOf(string bucket, string key)
    {
        ObjectNames.Check(bucket, key);
        return Path.Combine([_root, bucket, .. key.Split('/')]);
    }

    /// <inheritdoc />
    public async Task PutAsync(
        string bucket, string key, ReadOnlyMemory<byte> content, string contentType, IReadOnlyDictionary<string, string>? metadata, CancellationToken ct)
    {
        var path = PathOf(bucket, key);
        var properties = new Properties(contentType, new(StringComparer.Ordinal));
        foreach (var (name, value) in metadata ?? new Dictionary<string, string>()) properties.Metadata[name.ToLowerInvariant()] = value;
        try
        {
            await WriteAsync(MetadataPath(bucket, key), JsonSerializer.SerializeToUtf8Bytes(properties), ct).ConfigureAwait(false);
            await WriteAsync(path, content, ct).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ObjectStoreException($"{bucket}/{key} could not be written: {e.Message}", e);
        }
    }

    /// <inheritdoc />
    public async Task<StoredObject?> GetAsync(string bucket, string key, CancellationToken ct)
    {
        var path = PathOf(bucket, key);
        try
        {
            var content = await File.ReadAllBytesAsync(path, ct).ConfigureAwait(false);
            var properties = File.Exists(MetadataPath(bucket, key))
                ? JsonSerializer.Deserialize<Properties>(await File.ReadAllBytesAsync(MetadataPath(bucket, key), ct).ConfigureAwait(false))
                : null;
            return new StoredObject(content, properties?.ContentType ?? "application/octet-stream", properties?.Metadata ?? []);
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new ObjectStoreException($"{bucket}/{key} could not be read: {e.Message}", e);
        }
    }

    /// <inheritdoc />
    public Task<bool> ExistsAsync(string bucket, string key, CancellationToken ct) => Task.FromResult(File.Exists(PathOf(bucket, key)));

    /// <inheritdoc />
    public async IAsyncEnumerable<string> ListAsync(string bucket, string prefix, [EnumeratorCancellation] CancellationToken ct)
    {
        ObjectNames.CheckBucket(bucket);
        ArgumentNullException.ThrowIfNull(prefix);
        var folder = Path.Combine(_root, bucket);
        if (!Directory.Exists(folder)) yield break;
        var keys = Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories)
            .Where(f => !Path.GetFileName(f).StartsWith(TemporaryPrefix, StringComparison.Ordinal))
            .Select(f => Path.GetRelativePath(folder, f).Replace(Path.DirectorySeparatorChar, '/'))
            .Where(k => k.StartsWith(prefix, StringComparison.Ordinal))
            .Order(StringComparer.Ordinal);
        foreach (var key in keys)
        {
            ct.ThrowIfCancellationRequested();
            yield return key;
        }

        await Task.CompletedTask.ConfigureAwait(false);
    }

    /// <inheritdoc />
    public Task DeleteAsync(string bucket, string key, CancellationToken ct)
    {
        var path = PathOf(bucket, key);
        try
        {
            if (File.Exists(path)) File.Delete(path);
            if (File.Exists(MetadataPath(bucket, key))) File.Delete(MetadataPath(bucket, key));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new ObjectStoreException($"{bucket}/{key} could not be removed: {e.Message}", e);
        }

        return Task.CompletedTask;
    }

    /// <inheritdoc />
    public async Task<bool> IsHealthyAsync(CancellationToken ct)
    {
        try
        {
            var probe = Path.Combine(_root, $"{TemporaryPrefix}{Guid.NewGuid():N}");
            await File.WriteAllBytesAsync(probe, [1], ct).ConfigureAwait(false);
            File.Delete(probe);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private const string TemporaryPrefix = ".pw-tmp-";

    private string MetadataPath(string bucket, string key) => Path.Combine([_root, ".metadata", bucket, .. (key + ".json").Split('/')]);

    private static async Task WriteAsync(string path, ReadOnlyMemory<byte> content, CancellationToken ct)
    {
        var folder = Path.GetDirectoryName(path)!;
        Directory.CreateDirectory(folder);
        var temporary = Path.Combine(folder, $"{TemporaryPrefix}{Guid.NewGuid():N}");
        try
        {
            await using (var file = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1, FileOptions.Asynchronous))
            {
                await file.WriteAsync(content, ct).ConfigureAwait(false);
                file.Flush(flushToDisk: true);
            }

            File.Move(temporary, path, overwrite: true);
            SyncFolder(folder);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    // A rename is only durable once the folder itself is on the disk; .NET has no call for that.
    private static void SyncFolder(string folder)
    {
        if (!OperatingSystem.IsLinux() && !OperatingSystem.IsMacOS()) return;
        var descriptor = Native.Open([.. Encoding.UTF8.GetBytes(folder), 0], 0);
        if (descriptor < 0) return;
        _ = Native.FSync(descriptor);
        _ = Native.Close(descriptor);
    }

    private static class Native
    {
        [DllImport("libc", EntryPoint = "open", SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern int Open(byte[] path, int flags);

        [DllImport("libc", EntryPoint = "fsync", SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern int FSync(int descriptor);

        [DllImport("libc", EntryPoint = "close", SetLastError = true)]
        [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
        public static extern int Close(int descriptor);
    }
}
