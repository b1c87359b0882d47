using System.Globalization;
using System.Text;
using static System.Net.WebUtility;

namespace PwWorkflows.Sandbox.Usac;

/// <summary>The portal's pages. Plain HTML, no script.</summary>
internal static class UsacHtml
{
    const string Style = """
        body{font:15px/1.4 sans-serif;margin:0;color:#1b1b1b;background:#f4f6f8}header{background:#14365d;color:#fff;padding:12px 24px}
        header a{color:#cfe0f5;margin-left:16px}main{max-width:1040px;margin:16px auto;background:#fff;padding:16px 28px;border:1px solid #d5dbe1}
        h1{font-size:22px}label{display:block;margin:8px 0 2px}input[type=text],input[type=password],select,textarea{font:inherit;padding:3px 6px;min-width:260px}
        td input[type=text]{min-width:0;width:110px}table{border-collapse:collapse;width:100%}td,th{border:1px solid #d5dbe1;padding:4px 8px;text-align:left;vertical-align:top}
        .usac-errors{border:2px solid #b3261e;padding:8px 28px;color:#7a1710}button{font:inherit;padding:6px 14px;margin:12px 8px 0 0}.check{display:block;margin:6px 0}
        .notice{background:#e9f2e4;border:1px solid #5d8a46;padding:8px 12px}
        """;

    public static string Page(string title, string body, string? signedInAs = null)
    {
        var who = signedInAs is null ? "" : $"""<span style="float:right">{HtmlEncode(signedInAs)}<a href="/usac/dashboard">Dashboard</a><a href="/usac/filings">Filings</a></span>""";
        return $"""
            <!doctype html><html lang="en"><head><meta charset="utf-8"><title>{HtmlEncode(title)} | USAC E-File (sandbox)</title><style>{Style}</style></head>
            <body><header>{who}<strong>USAC E-File</strong> sandbox, not the real portal</header><main><h1>{HtmlEncode(title)}</h1>
            {body}</main></body></html>
            """;
    }

    public static string Errors(IEnumerable<BoxError> errors)
    {
        var items = string.Concat(errors.Select(e => $"""<li data-line="{HtmlEncode(e.Line)}">{(e.Line.Length > 0 ? $"Line {HtmlEncode(e.Line)}: " : "")}{HtmlEncode(e.Message)}</li>"""));
        return items.Length == 0 ? "" : $"""<ul class="usac-errors" role="alert">{items}</ul>""";
    }

    public static string SignIn(string? message) => Page("Sign in to E-File", $"""
        {(message is null ? "" : Errors([new("", message)]))}
        <form method="post" action="/usac/sign-in"><label for="username">Username</label><input type="text" id="username" name="username" autocomplete="username">
        <label for="password">Password</label><input type="password" id="password" name="password" autocomplete="current-password">
        <div><button type="submit">Sign in</button></div></form>
        """);

    public static string OneTimeCode(string? message) => Page("Enter your verification code", $"""
        {(message is null ? "" : Errors([new("", message)]))}<p>Enter the six digit code that your authenticator app shows.</p>
        <form method="post" action="/usac/one-time-code"><label for="code">Verification code</label><input type="text" id="code" name="code" autocomplete="one-time-code" inputmode="numeric">
        <div><button type="submit">Verify</button></div></form>
        """);

    public static string Dashboard(UsacDemoEntity account, IReadOnlyList<PortalForm> open, int currentYear, string? message)
    {
        var rows = string.Concat(open.Select(f => $"""
            <tr data-reference="{HtmlEncode(f.Reference)}" data-year="{f.Year}"><td class="form">FCC Form 499-A</td><td class="year">{f.Year}</td><td class="reference">{HtmlEncode(f.Reference)}</td><td class="status">Incomplete</td>
            <td><a href="/usac/forms/{f.Id}/block-1">Continue</a></td></tr>
            """));
        return Page("Dashboard", $"""
            {(message is null ? "" : $"<p class=\"notice\" role=\"status\">{HtmlEncode(message)}</p>")}
            <p>{HtmlEncode(account.LegalName)}, Filer ID {account.FilerId}</p>
            <h2>Start a filing</h2><form method="post" action="/usac/forms"><label for="year">Filing year</label><input type="text" id="year" name="year" value="{currentYear}">
            <label for="reference">Filer's reference</label><input type="text" id="reference" name="reference" maxlength="40"><div><button type="submit">Start FCC Form 499-A</button></div></form>
            <h2>Saved and unsubmitted</h2><table id="open-forms"><thead><tr><th>Form</th><th>Year</th><th>Filer's reference</th><th>Status</th><th></th></tr></thead><tbody>{rows}</tbody></table>
            """, account.LegalName);
    }

    public static string FormPage(PortalForm form, FormPage page, IReadOnlyDictionary<string, string> values, IReadOnlyList<BoxError> errors, string? renamedBox)
    {
        var body = new StringBuilder();
        body.Append(Errors(errors));
        body.Append(CultureInfo.InvariantCulture, $"""<form method="post" action="/usac/forms/{form.Id}/{page.Key}">""");
        var cells = page.Boxes.Where(IsCell).ToList();
        foreach (var box in page.Boxes.Except(cells)) body.Append(Control(box, values, box.Line == renamedBox));
        if (cells.Count > 0) body.Append(Table(cells, values, renamedBox));
        body.Append("""<div><button type="submit" name="go" value="next">Save and continue</button><button type="submit" name="go" value="exit">Save and exit</button></div></form>""");
        return Page(page.Heading, body.ToString(), form.Account.LegalName);
    }

    public static string Review(PortalForm form, IReadOnlyList<(FormPage Page, BoxError Error)> errors)
    {
        var body = new StringBuilder();
        body.Append(Errors(errors.Select(e => e.Error)));
        body.Append(CultureInfo.InvariantCulture, $"<p>FCC Form 499-A, filing year {form.Year}. Filer's reference <strong id=\"reference\">{HtmlEncode(form.Reference)}</strong>. Status: Incomplete, saved and unsubmitted.</p>");
        foreach (var page in Form499APages.All)
        {
            body.Append(CultureInfo.InvariantCulture, $"""<h2>{HtmlEncode(page.Heading)}</h2><table>""");
            foreach (var box in page.Boxes.Where(b => form.Values.GetValueOrDefault(b.Line, "").Length > 0))
                body.Append(CultureInfo.InvariantCulture, $"""<tr><td>{HtmlEncode(box.Label)}</td><td data-review="{box.Line}">{HtmlEncode(form.Values[box.Line])}</td></tr>""");
            body.Append("</table>");
        }

        body.Append("""<form method="get" action="certify"><button type="submit">Certify and submit</button></form><form method="get" action="/usac/dashboard"><button type="submit">Leave unsubmitted</button></form>""");
        return Page("Review FCC Form 499-A", body.ToString(), form.Account.LegalName);
    }

    public static string Certify(PortalForm form, IReadOnlyDictionary<string, string> values, IReadOnlyList<BoxError> errors, string? renamedBox)
    {
        var boxes = string.Concat(UsacSystem.CertificationBoxes.Select(b => Control(b, values, b.Line == renamedBox)));
        return Page("Certify FCC Form 499-A", $"""
            {Errors(errors)}<p>I certify that I am an officer of the above-named reporting entity, that I have examined the foregoing report and, to the best of my knowledge, information and
            belief, all statements of fact contained in this worksheet are true and that said worksheet is an accurate statement of the affairs of the above-named company.
            Persons making willful false statements in the worksheet can be punished by fine or imprisonment under Title 18 of the United States Code, 18 U.S.C. 1001.</p>
            <form method="post" action="/usac/forms/{form.Id}/certify">{boxes}<div><button type="submit">Submit to USAC</button></div></form>
            <form method="get" action="/usac/dashboard"><button type="submit">Leave unsubmitted</button></form>
            """, form.Account.LegalName);
    }

    public static string Confirmation(PortalFiling filing, bool hideNumber) => Page("FCC Form 499-A submitted", $"""
        <p class="notice" role="status">Your FCC Form 499-A has been submitted to USAC.</p><table>
        <tr><td>Confirmation number</td><td id="confirmation-number">{(hideNumber ? "" : filing.ConfirmationNumber)}</td></tr><tr><td>Filer ID</td><td id="filer-id">{filing.FilerId}</td></tr>
        <tr><td>Legal name</td><td>{HtmlEncode(filing.LegalName)}</td></tr><tr><td>Filing year</td><td id="filing-year">{filing.Year}</td></tr>
        <tr><td>Filer's reference</td><td id="reference">{HtmlEncode(filing.Reference)}</td></tr><tr><td>Submitted</td><td id="submitted-at">{filing.SubmittedAt:yyyy-MM-ddTHH:mm:ssZ}</td></tr>
        <tr><td>Certified by</td><td>{HtmlEncode(filing.OfficerName)}, {HtmlEncode(filing.OfficerTitle)}</td></tr></table>
        <p><a href="/usac/filings/{filing.ConfirmationNumber}/pdf">Download the filed form (PDF)</a></p>
        """, filing.LegalName);

    public static string Filings(UsacDemoEntity account, IReadOnlyList<PortalFiling> filings, IReadOnlyList<PortalForm> open)
    {
        var rows = new StringBuilder();
        foreach (var f in filings)
            rows.Append(CultureInfo.InvariantCulture, $"""
                <tr><td class="form">FCC Form 499-A</td><td class="year">{f.Year}</td><td class="filer">{f.FilerId}</td><td class="reference">{HtmlEncode(f.Reference)}</td><td class="status">Submitted</td>
                <td class="confirmation"><a href="/usac/filings/{f.ConfirmationNumber}">{f.ConfirmationNumber}</a></td><td class="submitted">{f.SubmittedAt:yyyy-MM-ddTHH:mm:ssZ}</td></tr>
                """);
        foreach (var f in open)
            rows.Append(CultureInfo.InvariantCulture, $"""
                <tr><td class="form">FCC Form 499-A</td><td class="year">{f.Year}</td><td class="filer">{f.Account.FilerId}</td><td class="reference">{HtmlEncode(f.Reference)}</td><td class="status">Incomplete</td>
                <td class="confirmation"></td><td class="submitted"></td></tr>
                """);
        return Page("Filings", $"""
            <p>Filer ID {account.FilerId}</p><table id="filings"><thead><tr><th>Form</th><th>Year</th><th>Filer ID</th><th>Filer's reference</th><th>Status</th><th>Confirmation number</th><th>Submitted</th></tr></thead>
            <tbody>{rows}</tbody></table>
            """, account.LegalName);
    }

    public static string Maintenance() => Page("Scheduled maintenance", "<p>E-File is not available at this time. Please try again later.</p>");

    public static string Robot() => Page("Verify that you are a person", "<p>Type the letters of the picture.</p><form><input type=\"text\" aria-label=\"Letters\"><button>Continue</button></form>");

    /// <summary>Blocks 3, 4 and 5 show one row per form line.</summary>
    static bool IsCell(Box box) => box.Kind is BoxKind.Money or BoxKind.Percent;

    static string Table(List<Box> cells, IReadOnlyDictionary<string, string> values, string? renamedBox)
    {
        var rows = new StringBuilder("<table>");
        foreach (var line in cells.GroupBy(b => b.FormLine))
        {
            rows.Append(CultureInfo.InvariantCulture, $"<tr><th>{line.Key}</th>");
            foreach (var box in line)
            {
                var (name, label) = Naming(box, box.Line == renamedBox);
                rows.Append(CultureInfo.InvariantCulture, $"""<td><input type="text" id="{name}" name="{box.Name}" aria-label="{HtmlEncode(label)}" title="{HtmlEncode(label)}" value="{HtmlEncode(values.GetValueOrDefault(box.Line, ""))}"></td>""");
            }

            rows.Append("</tr>");
        }

        return rows.Append("</table>").ToString();
    }

    static (string Id, string Label) Naming(Box box, bool renamed) => renamed ? (box.Name + "-v2", "Item " + box.Line.Replace('.', '/')) : (box.Name, box.Label);

    static string Control(Box box, IReadOnlyDictionary<string, string> values, bool renamed)
    {
        var (id, label) = Naming(box, renamed);
        var value = values.GetValueOrDefault(box.Line, "");
        if (box.Kind == BoxKind.Check)
            return $"""<span class="check"><input type="checkbox" id="{id}" name="{box.Name}" value="yes"{(value.Length > 0 ? " checked" : "")}> <label for="{id}" style="display:inline">{HtmlEncode(label)}</label></span>""";
        var control = box.Kind switch
        {
            BoxKind.LongText => $"""<textarea id="{id}" name="{box.Name}" rows="2" cols="60">{HtmlEncode(value)}</textarea>""",
            BoxKind.Choice => $"""<select id="{id}" name="{box.Name}"><option value=""></option>{Options(box, [value])}</select>""",
            BoxKind.Choices => $"""<select id="{id}" name="{box.Name}" multiple size="6">{Options(box, value.Split(','))}</select>""",
            BoxKind.State => $"""<select id="{id}" name="{box.Name}"><option value=""></option>{Options(box with { Options = Form499APages.States }, [value])}</select>""",
            _ => $"""<input type="text" id="{id}" name="{box.Name}" value="{HtmlEncode(value)}">""",
        };
        return $"""<label for="{id}">{HtmlEncode(label)}</label>{control}""";
    }

    static string Options(Box box, string[] chosen) =>
        string.Concat(box.Options!.Select(o => $"""<option{(chosen.Contains(o) ? " selected" : "")}>{HtmlEncode(o)}</option>"""));
}
