using System.Globalization;
using PwWorkflows.Activities.Data;
using PwWorkflows.Activities.Jobs;
using PwWorkflows.Activities.Notifications;

namespace PwWorkflows.Activities.Treasury;

/// <summary>Crypto receipts (table <c>crypto_payment_jobs</c>): each waits for a person, since nothing here may move money.</summary>
public sealed class CryptoPayments(IPwDatabase database, IAdminToDos todos, TimeProvider time)
{
    /// <summary>The job.</summary>
    public const string Job = "pw-crypto-payment-worker";

    /// <summary>Receipts that nobody has picked up, oldest first.</summary>
    public async Task<IReadOnlyList<string>> FindReceivedAsync(CancellationToken ct) =>
        await database.QueryAsync("SELECT id FROM crypto_payment_jobs WHERE state = 'received' ORDER BY id LIMIT 200", Parameters.None, static r => r.GetInt64(0).ToString(CultureInfo.InvariantCulture), ct).ConfigureAwait(false);

    /// <summary>Parks a receipt at <c>manual</c>, with a ToDo.</summary>
    public async Task<StepResult> ParkAsync(string id, bool dryRun, CancellationToken ct)
    {
        if (!long.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var number)) throw new NonRetryableException($"'{id}' is no crypto payment.");
        var rows = await database.QueryAsync(
            "SELECT order_number, crypto, txid, amount_crypto, amount_fiat_cents FROM crypto_payment_jobs WHERE id = @id AND state = 'received'", Parameters.Of(("id", number)),
            static r => (Order: r.GetString(0), Crypto: r.GetString(1), Tx: r.GetString(2), Amount: r.GetString(3), Cents: r.GetInt64(4)), ct).ConfigureAwait(false);
        if (rows is not [var job]) return new("NotDue", $"Crypto payment {id} is parked or further.");
        var words = string.Create(CultureInfo.InvariantCulture, $"{job.Amount} {job.Crypto} (${job.Cents / 100m:#,0.00}) for {job.Order}, transaction {job.Tx}");
        if (dryRun) return new("Parked", $"Would park {words}.");
        // The ToDo first: parked without one it would be forgotten.
        await todos.RaiseAsync(new ToDoRequest(Job, job.Order, "crypto-payment-manual:" + id, $"A crypto payment waits for a person: {words}. It is parked at 'manual'; turn it into dollars by hand."), ct).ConfigureAwait(false);
        var parked = await database.ExecuteAsync("UPDATE crypto_payment_jobs SET state = 'manual', updated_at = @now WHERE id = @id AND state = 'received'", Parameters.Of(("now", time.GetUtcNow()), ("id", number)), ct).ConfigureAwait(false);
        return parked == 1 ? new("Parked", $"Parked {words}.") : new("NotDue", $"Crypto payment {id} was parked meanwhile.");
    }
}
