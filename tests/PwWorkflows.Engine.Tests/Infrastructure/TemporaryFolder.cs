namespace PwWorkflows.Tests.Infrastructure;

/// <summary>A folder of its own that goes away with the test.</summary>
public sealed class TemporaryFolder : IDisposable
{
    public TemporaryFolder() => Directory.CreateDirectory(FullPath);

    public string FullPath { get; } = Path.Combine(Path.GetTempPath(), "pw-test-" + Guid.NewGuid().ToString("N")[..12]);

    public void Dispose() => Directory.Delete(FullPath, recursive: true);
}
