using System.Collections.Concurrent;
using System.Text.Encodings.Web;
using Fluid;

namespace PwWorkflows.Activities.Notifications;

/// <summary>A mail as its template made it.</summary>
/// <param name="Subject">One line.</param>
/// <param name="Text">The plain part.</param>
/// <param name="Html">The HTML part.</param>
internal sealed record RenderedMail(string Subject, string Text, string Html);

/// <summary>
/// Mail templates: <c>NAME.txt.liquid</c>, whose first line is <c>Subject: …</c>, and <c>NAME.html.liquid</c>. Values are escaped in the HTML part.
/// A changed file is used from the next mail on.
/// </summary>
internal sealed class MailTemplates(string folder)
{
    private static readonly FluidParser Parser = new();
    private readonly ConcurrentDictionary<string, (DateTime Written, IFluidTemplate Template)> _cache = new(StringComparer.Ordinal);

    public async Task<RenderedMail> RenderAsync(string name, IReadOnlyDictionary<string, object?> values, CancellationToken ct)
    {
        if (name.Length == 0 || !name.All(static c => char.IsAsciiLetterOrDigit(c) || c == '-'))
            throw new NonRetryableException($"'{name}' is no template name: expected letters, digits and hyphens.");
        var options = new TemplateOptions { MaxSteps = 10_000 };
        var context = new TemplateContext(options);
        foreach (var (key, value) in values) context.SetValue(key, value);

        var text = await Load($"{name}.txt.liquid").RenderAsync(context, NullEncoder.Default).ConfigureAwait(false);
        ct.ThrowIfCancellationRequested();
        var html = await Load($"{name}.html.liquid").RenderAsync(context, HtmlEncoder.Default).ConfigureAwait(false);

        const string marker = "Subject:";
        var end = text.IndexOf('\n', StringComparison.Ordinal);
        if (end < 0 || !text.StartsWith(marker, StringComparison.Ordinal)) throw new NonRetryableException($"{name}.txt.liquid: the first line must be 'Subject: …'.");
        // A name with a line break in it must not become a header.
        var subject = string.Concat(text[marker.Length..end].Select(static c => char.IsControl(c) ? ' ' : c)).Trim();
        return new RenderedMail(subject, text[(end + 1)..], html);
    }

    private IFluidTemplate Load(string file)
    {
        var path = Path.Combine(folder, file);
        var written = File.GetLastWriteTimeUtc(path);
        if (_cache.TryGetValue(file, out var known) && known.Written == written) return known.Template;
        string source;
        try
        {
            source = File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NonRetryableException($"The mail template {file} can't be read: {e.Message}", e);
        }

        if (!Parser.TryParse(source, out var template, out var error)) throw new NonRetryableException($"The mail template {file} is broken: {error}");
        _cache[file] = (written, template);
        return template;
    }
}
