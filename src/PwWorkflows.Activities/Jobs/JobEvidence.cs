using System.Globalization;
using System.Security.Cryptography;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Storage;

namespace PwWorkflows.Activities.Jobs;

/// <summary>Where jobs keep what they read and made.</summary>
public sealed class RecordsOptions
{
    /// <summary><c>RECORDS_BUCKET</c>: bucket of pages, mails, certificates and statements that jobs keep.</summary>
    public string Bucket { get; set; } = "records";

    /// <summary>Reads the settings.</summary>
    public void Bind(SettingsReader settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        Bucket = settings.Text("RECORDS_BUCKET", Bucket);
        try
        {
            ObjectNames.CheckBucket(Bucket);
        }
        catch (ArgumentException e)
        {
            settings.Problem($"RECORDS_BUCKET: {e.Message}");
        }
    }
}

/// <summary>Something a job has kept.</summary>
/// <param name="Job">The job, such as <c>pw-usf-factor-monitor</c>.</param>
/// <param name="Source">Where it came from, such as an address.</param>
/// <param name="Key">Its key in the bucket.</param>
/// <param name="Sha256">Hash of its bytes, lower case hexadecimal.</param>
/// <param name="Note">Why it was kept.</param>
/// <param name="KeptAt">When (UTC).</param>
public sealed record KeptEvidence(string Job, string Source, string Key, string Sha256, string Note, DateTimeOffset KeptAt);

/// <summary>
/// Keeps the pages and mails that made a job change something, and what it made of them: bytes in the object store under a key with their hash, a row in
/// <c>job_evidence</c>. Keeping the same bytes of the same job again does nothing.
/// </summary>
public sealed class JobEvidence(IObjectStore store, IPwDatabase database, TimeProvider time, IOptions<RecordsOptions> options)
{
    /// <summary>Keeps bytes.</summary>
    /// <param name="job">The job, such as <c>pw-usf-factor-monitor</c>.</param>
    /// <param name="source">Where they came from.</param>
    /// <param name="name">A file name for people, with its ending.</param>
    /// <param name="content">The bytes.</param>
    /// <param name="contentType">Their media type.</param>
    /// <param name="note">Why they are kept.</param>
    /// <param name="ct">Stops the wait.</param>
    /// <returns>Their key in the bucket.</returns>
    public async Task<string> KeepAsync(string job, string source, string name, ReadOnlyMemory<byte> content, string contentType, string note, CancellationToken ct)
    {
        ArgumentException.ThrowIfNullOrEmpty(job);
        var hash = Convert.ToHexStringLower(SHA256.HashData(content.Span));
        var known = await database.QueryAsync(
            "SELECT object_key FROM job_evidence WHERE job = @job AND sha256 = @hash", Parameters.Of(("job", job), ("hash", hash)), static r => r.GetString(0), ct).ConfigureAwait(false);
        if (known is [var before]) return before;
        var now = time.GetUtcNow();
        var key = string.Create(CultureInfo.InvariantCulture, $"jobs/{job}/{now:yyyy}/{now:MM-dd}/{hash[..16]}-{name}");
        await store.PutAsync(options.Value.Bucket, key, content, contentType, null, ct).ConfigureAwait(false);
        await database.ExecuteAsync(
            """
            INSERT INTO job_evidence (job, source, bucket, object_key, sha256, bytes, content_type, note, kept_at)
            VALUES (@job, @source, @bucket, @key, @hash, @bytes, @type, @note, @now) ON CONFLICT (job, sha256) DO NOTHING
            """,
            Parameters.Of(("job", job), ("source", source), ("bucket", options.Value.Bucket), ("key", key), ("hash", hash), ("bytes", (long)content.Length), ("type", contentType), ("note", note), ("now", now)),
            ct).ConfigureAwait(false);
        return key;
    }

    /// <summary>What was kept, newest first.</summary>
    /// <param name="job">Only of this job; <c>null</c> for all.</param>
    /// <param name="take">At most so many.</param>
    /// <param name="ct">Stops the wait.</param>
    public async Task<IReadOnlyList<KeptEvidence>> ListAsync(string? job, int take, CancellationToken ct) =>
        await database.QueryAsync(
            "SELECT job, source, object_key, sha256, note, kept_at FROM job_evidence WHERE (@job = '' OR job = @job) ORDER BY id DESC LIMIT @take",
            Parameters.Of(("job", job ?? ""), ("take", (long)take)),
            static r => new KeptEvidence(r.GetString(0), r.GetString(1), r.GetString(2), r.GetString(3), r.GetString(4), r.Time(5)), ct).ConfigureAwait(false);

    /// <summary>The bytes kept under a key; <c>null</c> when there are none.</summary>
    public async Task<ReadOnlyMemory<byte>?> ReadAsync(string key, CancellationToken ct) =>
        // A bare null would become empty bytes.
        await store.GetAsync(options.Value.Bucket, key, ct).ConfigureAwait(false) is { } found ? found.Content : (ReadOnlyMemory<byte>?)null;
}

/// <summary>Registers what the scheduled jobs share.</summary>
public static class JobsRegistration
{
    /// <summary>Adds <see cref="JobEvidence"/>. Needs <see cref="IPwDatabase"/> and <see cref="IObjectStore"/>.</summary>
    public static IServiceCollection AddJobs(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.AddObjectStorage();
        services.AddSettings<RecordsOptions>(static (o, s) => o.Bind(s));
        services.TryAddSingleton<JobEvidence>();
        return services;
    }
}
