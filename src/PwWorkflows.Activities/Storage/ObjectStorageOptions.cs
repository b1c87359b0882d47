using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Options;

namespace PwWorkflows.Activities.Storage;

/// <summary>Where objects are kept. Without <c>MINIO_ENDPOINT</c> they lie in <c>objects/</c> under the data folder.</summary>
public sealed class ObjectStorageOptions
{
    /// <summary><c>MINIO_ENDPOINT</c>: <c>host:port</c> of the S3 server; empty for the local folder.</summary>
    public string Endpoint { get; set; } = "";

    /// <summary><c>MINIO_ACCESS_KEY</c>.</summary>
    public string AccessKey { get; set; } = "";

    /// <summary><c>MINIO_SECRET_KEY</c>.</summary>
    public string SecretKey { get; set; } = "";

    /// <summary><c>MINIO_USE_SSL</c>: speak https; default <c>false</c>.</summary>
    public bool UseSsl { get; set; }

    /// <summary><c>MINIO_REGION</c>; default <c>us-east-1</c>.</summary>
    public string Region { get; set; } = "us-east-1";

    /// <summary><c>MINIO_TIMEOUT_SECONDS</c>: how long one call may take, 1 to 90; default 60.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary><c>PW_DATA</c>: the data folder; default <c>./data</c>.</summary>
    public string DataFolder { get; set; } = "./data";

    /// <summary><c>FILINGS_BUCKET</c>: bucket for documents and evidence; default <c>filings</c>. The health check looks at it.</summary>
    public string FilingsBucket { get; set; } = "filings";

    /// <summary>Whether an S3 server is used.</summary>
    public bool UsesS3 => Endpoint.Length > 0;

    /// <summary>Reads the settings.</summary>
    public void Bind(SettingsReader settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var endpoint = settings.Text("MINIO_ENDPOINT");
        UseSsl = settings.Flag("MINIO_USE_SSL", false);
        if (Uri.TryCreate(endpoint, UriKind.Absolute, out var url) && url.Scheme is "http" or "https")
        {
            UseSsl = url.Scheme == "https";
            endpoint = url.Authority;
        }

        Endpoint = endpoint;
        AccessKey = settings.Text("MINIO_ACCESS_KEY");
        SecretKey = settings.Secret("MINIO_SECRET_KEY");
        Region = settings.Text("MINIO_REGION", "us-east-1");
        Timeout = TimeSpan.FromSeconds(settings.Number("MINIO_TIMEOUT_SECONDS", 60, 1, 90));
        DataFolder = settings.Text("PW_DATA", "./data");
        FilingsBucket = settings.Text("FILINGS_BUCKET", "filings");
        try
        {
            ObjectNames.CheckBucket(FilingsBucket);
        }
        catch (ArgumentException e)
        {
            settings.Problem($"FILINGS_BUCKET: {e.Message}");
        }

        if (!UsesS3) return;
        if (!Uri.TryCreate($"http://{Endpoint}", UriKind.Absolute, out var check) || check.AbsolutePath != "/")
            settings.Problem($"MINIO_ENDPOINT: expected host:port such as minio:9000, found '{Endpoint}'.");
        if (AccessKey.Length == 0) settings.Problem("MINIO_ACCESS_KEY: expected the access key of the object store, found nothing.");
        if (SecretKey.Length == 0) settings.Problem("MINIO_SECRET_KEY: expected the secret key of the object store, found nothing.");
    }
}

/// <summary>Registers the object store.</summary>
public static class ObjectStorageRegistration
{
    /// <summary>Adds <see cref="IObjectStore"/>: MinIO when <c>MINIO_ENDPOINT</c> is set, else a folder.</summary>
    public static IServiceCollection AddObjectStorage(this IServiceCollection services)
    {
        ArgumentNullException.ThrowIfNull(services);
        services.TryAddSingleton(TimeProvider.System);
        services.AddSettings<ObjectStorageOptions>(static (o, s) => o.Bind(s));
        services.TryAddSingleton<IObjectStore>(static provider =>
        {
            var options = provider.GetRequiredService<IOptions<ObjectStorageOptions>>().Value;
            return options.UsesS3 ? new MinioObjectStore(options, provider.GetRequiredService<TimeProvider>()) : new FolderObjectStore(Path.Combine(options.DataFolder, "objects"));
        });
        return services;
    }
}
